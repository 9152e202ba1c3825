//! What holds for every text that is taken for a filter, an order or columns of runs.

use mlark::fuzzing;
use mlark::model::{Double, LatestMetric, Run, Text};
use mlark::select::{OrderBy, RunColumn, RunFilter};
use proptest::prelude::*;
use serde_json::json;

/// Words that filters are made of, whole and broken.
const WORDS: &[&str] = &[
    "metrics",
    "params",
    "tags",
    "dataset",
    "run_id",
    "status",
    "start_time",
    ".",
    "=",
    "!=",
    ">",
    "LIKE",
    "ILIKE",
    "IN",
    "NOT",
    "IS",
    "NULL",
    "AND",
    "OR",
    "(",
    ")",
    ",",
    "'",
    "\"",
    "`",
    "'a'",
    "\"b\"",
    "('x', 'y')",
    "0.5",
    "-1",
    "1e3",
    ".5",
    "é",
    "\\",
    ";",
    "::",
    "->",
    "--",
    "/*",
    "*/",
    "[",
    "]",
    "desc",
    "%",
    "_",
    " ",
    "\n",
    "?",
    "$",
    "#",
    "@",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        fuzzing::filter(&bytes);
    }

    #[test]
    fn any_words_are_read_or_refused(words in prop::collection::vec(prop::sample::select(WORDS), 0..14), gap in "( |)") {
        fuzzing::filter(words.join(&gap).as_bytes());
    }

    #[test]
    fn a_text_is_equal_to_itself_and_like_itself(value in "[^'\\\\\n%_\\x00]{0,12}", other in "[a-z]{1,3}") {
        let mut run = Run::default();
        run.params.insert("p".to_owned(), Text::from(value.as_str()));
        for (clause, is_met) in [
            (format!("params.p = '{value}'"), true),
            (format!("params.p != '{value}'"), false),
            (format!("params.p LIKE '{value}'"), true),
            (format!("params.p ILIKE '{}'", value.to_uppercase()), value.to_uppercase().chars().count() == value.chars().count()),
            (format!("params.p LIKE '{value}{other}'"), false),
            (format!("params.p LIKE '%{value}%'"), true),
            (format!("params.{other}x IS NULL"), true),
        ] {
            prop_assert_eq!(RunFilter::parse(&clause).unwrap().takes(&run), is_met, "{}", clause);
        }
    }

    #[test]
    fn numbers_compare_as_they_are(value in any::<f64>(), bound in -1e6f64..1e6) {
        let mut run = Run::default();
        run.metrics.insert("m".to_owned(), LatestMetric { timestamp: 0, step: 0, value: Double(value) });
        let meets = |operator: &str| RunFilter::parse(&format!("metrics.m {operator} {bound}")).unwrap().takes(&run);
        prop_assert_eq!(meets(">"), value > bound);
        prop_assert_eq!(meets("<="), value <= bound);
        prop_assert_eq!(meets("!="), value != bound);
    }

    #[test]
    fn an_order_is_that_of_the_values(a in any::<f64>(), b in any::<f64>(), texts in prop::array::uniform2(any::<String>())) {
        let run = |value: f64, text: &String| {
            let mut run = Run::default();
            run.metrics.insert("m".to_owned(), LatestMetric { timestamp: 0, step: 0, value: Double(value) });
            run.tags.insert("t".to_owned(), Text::from(text.as_str()));
            run
        };
        let runs = [run(a, &texts[0]), run(b, &texts[1])];
        let keys = |order: &str| {
            let order = OrderBy::parse(&[order.to_owned()]).unwrap();
            runs.each_ref().map(|run| order.sort_key(run))
        };
        let [first, second] = keys("tags.t");
        prop_assert_eq!(first.cmp(&second), texts[0].cmp(&texts[1]));
        let [first, second] = keys("tags.t DESC");
        prop_assert_eq!(first.cmp(&second), texts[1].cmp(&texts[0]));
        if let Some(order) = a.partial_cmp(&b) {
            let [first, second] = keys("metrics.m");
            prop_assert_eq!(first.cmp(&second), order);
            let [first, second] = keys("metrics.m DESC");
            prop_assert_eq!(first.cmp(&second), order.reverse());
        }
    }
}

#[test]
fn long_and_deep_filters_are_refused() {
    let clause = "metrics.m > 1 AND ";
    for text in [
        clause.repeat(1 << 16),
        "(".repeat(101),
        "(".repeat(9_000),
        "[".repeat(1 << 20),
        "'".repeat(1 << 20),
        "a ".repeat(6_000),
        format!("/*{}", "/*".repeat(1 << 18)),
        format!("params.p = '{}'", "a".repeat(1 << 20)),
    ] {
        let error = RunFilter::parse(&text).unwrap_err();
        assert!(error.to_string().len() < 3_000, "{}", error.to_string().len());
    }
    let many = clause.repeat(1_000);
    assert!(RunFilter::parse(&many).is_ok());
    let ids: Vec<_> = (0..2_000).map(|id| format!("'{id:032}'")).collect();
    assert!(RunFilter::parse(&format!("run_id IN ({})", ids.join(","))).is_ok());
}

#[test]
fn texts_that_are_too_long_or_not_utf8_only_differ() {
    let mut run = Run::default();
    run.params
        .insert("long".to_owned(), Text::from("a".repeat((1 << 20) + 1).as_str()));
    run.params
        .insert("bytes".to_owned(), Text::from_bytes(vec![0xff]));
    for key in ["long", "bytes"] {
        for (test, is_met) in [
            ("LIKE '%'", false),
            ("ILIKE '%a%'", false),
            ("= 'a'", false),
            ("!= 'a'", true),
            ("IS NULL", false),
            ("IS NOT NULL", true),
        ] {
            let filter = RunFilter::parse(&format!("params.{key} {test}")).unwrap();
            assert_eq!(filter.takes(&run), is_met, "{filter}");
        }
    }
}

#[test]
fn columns_are_named_as_in_filters() {
    let mut run = Run::default();
    run.info.run_name = Some("first".to_owned());
    run.info.experiment_id = "7".to_owned();
    run.params.insert("a,b".to_owned(), Text::from("1"));
    run.metrics.insert(
        "val/loss".to_owned(),
        LatestMetric {
            timestamp: 0,
            step: 0,
            value: Double(f64::NAN),
        },
    );
    let columns =
        RunColumn::parse_list("run_name, params.`a,b`,metrics.val/loss,experiment_id,tags.none,end_time")
            .unwrap();
    let values: Vec<_> = columns.iter().map(|column| column.value(&run)).collect();
    assert_eq!(json!(values), json!(["first", "1", "NaN", "7", null, null]));
    let errors = ["", "nothing", "model.a", "run_name,,status", "dataset.name"]
        .map(|text| RunColumn::parse_list(text).unwrap_err().to_string());
    insta::assert_snapshot!(errors.join("\n"));
}
