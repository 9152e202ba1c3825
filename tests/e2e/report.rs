//! The page of `mlark report`, opened in Debian's Chromium without any network and used as a person would.
//!
//! `scripts/report-env` makes what is needed. Pictures of every view stay in `target/report/`.

use crate::helpers::common::{History, MODEL, RUN_A, RUN_B, START, TRACE, point};
use crate::helpers::hostile_page::{files, hostile, payload};
use crate::helpers::servers::{self, mlark, run, script};
use mlark::archive::Archive;
use mlark::model::{Double, LatestMetric, OwnerKind, Run, Text};
use mlark::select::RunFilter;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A browser that opens pages.
struct Browser {
    python: PathBuf,
    folder: tempfile::TempDir,
}

/// What a browser saw.
struct Seen(Value);

impl Browser {
    fn find() -> Option<Self> {
        let venv = servers::venvs("no page is opened in a browser")?.join("report");
        if !venv.join(".complete").exists() {
            eprintln!("SKIPPED: MLARK_E2E_VENVS has no report");
            return None;
        }
        Some(Browser {
            python: venv.join("bin/python"),
            folder: tempfile::tempdir().unwrap(),
        })
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// The page of a history, by its name.
    fn page(&self, name: &str, history: History) -> PathBuf {
        let archive = self.path(&format!("{name}.zip"));
        history.write(archive.as_ref());
        self.page_of(name, &archive)
    }

    fn page_of(&self, name: &str, archive: &str) -> PathBuf {
        let page = self.path(&format!("{name}.html"));
        mlark(&["report", archive, "-o", &page]);
        page.into()
    }

    /// Opens a page and does what is said. Whatever page it is: nothing is asked of a network, and nothing goes wrong.
    fn open(&self, page: &Path, look: Value, steps: &[Value]) -> Seen {
        let mut plan = json!({"page": page, "steps": steps});
        plan.as_object_mut()
            .unwrap()
            .extend(look.as_object().unwrap().clone());
        let file = self.path("plan.json");
        fs::write(&file, plan.to_string()).unwrap();
        let output = run(Command::new(&self.python).arg(script("drive_page.py")).arg(&file));
        let seen: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(seen["errors"], json!([]), "{page:?}");
        assert_eq!(seen["console"], json!([]), "{page:?}");
        let requests = seen["requests"].as_array().unwrap();
        let others: Vec<_> = requests
            .iter()
            .filter(|url| !url.as_str().unwrap().starts_with("data:image/"))
            .collect();
        assert_eq!(others.len(), 1, "{others:?}");
        assert!(others[0].as_str().unwrap().starts_with("file:///"));
        Seen(seen)
    }
}

impl Seen {
    fn result(&self, name: &str) -> &Value {
        let result = &self.0["results"][name];
        assert!(!result.is_null(), "{name}: {}", self.0);
        result
    }

    fn text(&self, name: &str) -> &str {
        self.result(name).as_str().unwrap()
    }
}

fn go(route: &str) -> Value {
    json!({ "go": route })
}

fn eval(name: &str, code: &str) -> Value {
    json!({"eval": code, "as": name})
}

/// A picture that stays.
fn shot(name: &str) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/report");
    fs::create_dir_all(&folder).unwrap();
    json!({"shot": folder.join(format!("{name}.png"))})
}

const TEXT: &str = "() => document.getElementById('view').innerText";
/// The evaluation dataset of a history.
const EVALUATION: &str = "d-00000000000000000000000000000001";
/// The ids of the runs that the table shows, in its order.
const ROWS: &str = "() => [...document.querySelectorAll('.body .row a')].map(a => decodeURIComponent(a.hash.slice('#/run/'.length)))";
/// What would have been made by a text that is markup.
const FOREIGN: &str = "() => [window.owned, document.title === 'OWNED', [...document.querySelectorAll(\
    'iframe, object, embed, base, link, form, audio, video, [onerror], [onload], [srcdoc]')].length, \
    [...document.querySelectorAll('script')].filter(one => one.type !== 'application/json').length, \
    [...document.querySelectorAll('img')].filter(one => !one.src.startsWith('data:image/png;base64,')).length, \
    [...document.querySelectorAll('a')].filter(one => !(one.getAttribute('href') || '#').startsWith('#')).length]";

#[test]
fn hostile_texts_are_shown_as_texts_in_every_view() {
    let Some(browser) = Browser::find() else { return };
    let page = browser.page("hostile", hostile());
    let mut steps = Vec::new();
    let versions = ["churn/1", "churn/2"];
    let routes: Vec<String> = [
        "#/",
        "#/runs",
        "#/compare",
        "#/scatter",
        "#/models",
        "#/data",
        "#/traces",
        "#/print",
        "#/model/churn",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain(versions.map(|version| format!("#/version/{version}")))
    .chain([
        format!("#/run/{RUN_A}"),
        format!("#/run/{RUN_B}"),
        format!("#/trace/{TRACE}"),
        "#/dataset/1/train/9d1f".to_owned(),
        format!("#/logged/{MODEL}"),
        format!("#/evaluation/{EVALUATION}"),
    ])
    .chain(
        [
            "#/%3Cimg%20src=x%20onerror=window.owned=1%3E",
            "#/run/%3Cscript%3Ewindow.owned=1%3C%2Fscript%3E",
            "#/%",
            "#/__proto__",
            "#/constructor",
        ]
        .map(str::to_owned),
    )
    .collect();
    for (number, route) in routes.iter().enumerate() {
        steps.push(go(route));
        steps.push(eval(&format!("foreign{number}"), FOREIGN));
    }
    // Every file is looked at.
    steps.push(go(&format!("#/run/{RUN_A}")));
    steps.push(eval("files", "() => document.querySelectorAll('.file').length"));
    for number in 0..files().len() {
        let look = format!(
            "() => {{ document.querySelectorAll('.file')[{number}].click(); return document.querySelector('.preview').innerText }}"
        );
        steps.push(eval(&format!("file{number}"), &look));
        steps.push(eval(&format!("opened{number}"), FOREIGN));
    }
    steps.push(eval("images", "() => document.querySelectorAll('.preview img').length + document.querySelectorAll('.preview svg').length"));
    steps.push(eval("text", TEXT));
    steps.push(shot("hostile"));
    let seen = browser.open(&page, json!({}), &steps);
    let harmless = json!([null, false, 0, 1, 0, 0]);
    for (number, route) in routes.iter().enumerate() {
        assert_eq!(seen.result(&format!("foreign{number}")), &harmless, "{route}");
    }
    assert_eq!(seen.result("files"), &json!(files().len()));
    for number in 0..files().len() {
        assert_eq!(
            seen.result(&format!("opened{number}")),
            &harmless,
            "file {number}"
        );
    }
    // Not hidden, but to be read; what would turn the text around is written out.
    let text = seen.text("text");
    assert!(text.contains("</script><script>window.owned=1"), "{text}");
    assert!(
        text.contains("\\u{202e}lmth.exe\\u{2066}<svg onload=window.owned=1>") && !text.contains('\u{202e}')
    );
    assert!(payload().contains('\u{202e}'));
}

#[test]
fn what_differs_is_a_page_that_can_be_searched() {
    let Some(browser) = Browser::find() else { return };
    let [before, after] = ["before.zip", "after.zip"].map(|name| browser.path(name));
    History::new().write(before.as_ref());
    let mut changed = hostile();
    changed.runs[0].info.status = "FAILED".to_owned();
    changed.write(after.as_ref());
    let page = browser.path("changes.html");
    let diff = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_mlark"))
            .arg("diff")
            .args(args)
            .output()
            .unwrap();
        output.status.code()
    };
    assert_eq!(diff(&[&before, &after, "--html", &page]), Some(1));
    let steps = [
        eval("text", TEXT),
        shot("changes"),
        json!({"type": ["input[type=search]", "info.status"]}),
        eval("found", "() => document.querySelector('.objects').innerText"),
        json!({"type": ["input[type=search]", ""]}),
        eval(
            "open",
            "() => { for (const one of document.querySelectorAll('details')) one.open = true; return true }",
        ),
        eval("foreign", FOREIGN),
        json!({"size": [400, 800]}),
        shot("changes-phone"),
        eval("width", "() => document.documentElement.scrollWidth - innerWidth"),
        eval("faint", FAINT),
    ];
    for look in [json!({"dark": false}), json!({"dark": true})] {
        let seen = browser.open(page.as_ref(), look, &steps);
        assert!(seen.text("text").contains("differences"));
        let found = seen.text("found");
        assert!(
            found.contains("FINISHED") && found.contains("FAILED") && !found.contains("param0"),
            "{found}"
        );
        assert_eq!(seen.result("foreign"), &json!([null, false, 0, 1, 0, 0]));
        assert_eq!(seen.result("faint"), &json!([]));
        assert!(seen.result("width").as_i64().unwrap() <= 0);
    }
    assert_eq!(diff(&[&before, &before, "--html", &page, "--force"]), Some(0));
    let seen = browser.open(page.as_ref(), json!({}), &[eval("text", TEXT)]);
    assert!(
        seen.text("text").starts_with("Nothing differs"),
        "{}",
        seen.text("text")
    );
}

/// Runs with curves, of which some differ in a param.
fn training(runs: usize, steps: i64) -> History {
    let mut history = History::new();
    let template = history.runs[0].clone();
    for number in 0..runs {
        let mut run = template.clone();
        let rate = [0.3, 0.1, 0.03][number % 3];
        run.info.run_id = format!("{number:032x}");
        run.info.run_name = Some(format!("run {number:05}"));
        run.info.start_time = Some(START + 60_000 * (number as i64 + 1));
        run.info.end_time = run
            .info
            .start_time
            .map(|start| start + 1000 * (1 + number as i64 % 7));
        run.params
            .insert("learning_rate".to_owned(), Text::from(rate.to_string()));
        run.tags.insert(
            "cohort".to_owned(),
            Text::from(if number % 2 == 0 { "adult" } else { "child" }),
        );
        run.metrics.clear();
        for (metric, scale) in [("auc", -0.4), ("loss", 1.0)] {
            let points: Vec<_> = (0..steps)
                .map(|step| {
                    point(
                        step * 1000,
                        step,
                        0.5 + scale * (-(step as f64) * rate / 3.0).exp() + (number % 11) as f64 / 100.0,
                    )
                })
                .collect();
            let latest = points.last().map(|last| LatestMetric {
                timestamp: last.timestamp,
                step: last.step,
                value: last.value,
            });
            run.metrics
                .extend(latest.map(|latest| (metric.to_owned(), latest)));
            history
                .metrics
                .push((run.info.run_id.clone(), metric.to_owned(), points));
        }
        history.runs.push(run);
    }
    let table = b"name,count\n\"a, b\",3\n".to_vec();
    let of_first =
        |artifact: &(OwnerKind, String, String, _)| artifact.0 == OwnerKind::Run && artifact.1 == RUN_A;
    let place = history
        .artifacts
        .iter()
        .take_while(|artifact| of_first(artifact))
        .count();
    let file = (
        OwnerKind::Run,
        RUN_B.to_owned(),
        "table.csv".to_owned(),
        Ok(table),
    );
    history.artifacts.insert(place, file);
    history
}

#[test]
fn runs_are_sorted_filtered_chosen_and_compared() {
    let Some(browser) = Browser::find() else { return };
    let page = browser.page("training", training(60, 200));
    let seen = browser.open(&page, json!({}), &[
        eval("overview", TEXT),
        shot("overview"),
        go("#/runs"),
        eval("newest", ROWS),
        shot("runs"),
        json!({"click": "[data-column='m:loss'] button"}),
        eval("descending", ROWS),
        json!({"click": "[data-column='m:loss'] button"}),
        eval("ascending", ROWS),
        eval("sort", "() => document.querySelector('[data-column=\"m:loss\"]').getAttribute('aria-sort')"),
        json!({"type": ["#filter", "params.learning_rate = '0.3' AND metrics.loss < 0.52 AND tags.cohort = 'adult'"]}),
        json!({"until": "() => document.getElementById('told').innerText.startsWith('2 of') || document.querySelectorAll('.body .row').length < 10"}),
        eval("filtered", ROWS),
        json!({"type": ["#filter", "metrics.loss LIKE 'x'"]}),
        json!({"until": "() => document.getElementById('told').innerText.includes('not a valid filter')"}),
        eval("refused", "() => document.getElementById('told').innerText"),
        shot("refused"),
        json!({"type": ["#filter", ""]}),
        json!({"until": "() => document.querySelectorAll('.body .row').length > 10"}),
        // Columns are chosen, and stay.
        json!({"click": "button[aria-expanded]"}),
        json!({"type": ["[aria-label='Find a column']", "cohort"]}),
        json!({"click": ".columns .check"}),
        eval("columns", "() => [...document.querySelectorAll('.head [data-column]')].map(cell => cell.dataset.column)"),
        shot("columns"),
        json!({"click": "button[aria-expanded]"}),
        // Two runs by the keyboard alone.
        eval("focus", "() => { document.querySelector('.grid').focus(); return true }"),
        json!({"key": "Home"}), json!({"key": " "}), json!({"key": "ArrowDown"}), json!({"key": " "}),
        eval("chosen", "() => document.querySelectorAll('.row.chosen').length"),
        // Tab leaves the table: rows that come into view would hold it for ever.
        eval("stops", "() => [...document.querySelectorAll('.body a, .body input')].filter(inner => inner.tabIndex >= 0).length"),
        json!({"click": "a.button.primary"}),
        json!({"until": "() => document.querySelectorAll('canvas').length >= 2"}),
        eval("compared", TEXT),
        eval("charts", "() => [...document.querySelectorAll('.chart')].map(chart => [chart.querySelector('figcaption').innerText, chart.querySelectorAll('.legend .swatch').length])"),
        shot("compare"),
        // Every way to look at the curves draws again.
        eval("painted", "async () => { const found = []; for (const change of [['relative', 0, false], ['time', 0.6, false], ['step', 0.6, true], ['step', 0, false]]) { \
            const axis = document.querySelector('.controls select'); axis.value = change[0]; axis.dispatchEvent(new Event('change')); \
            const range = document.querySelector('input[type=range]'); range.value = change[1]; range.dispatchEvent(new Event('input')); \
            const log = document.querySelector('.check input'); if (log.checked !== change[2]) log.click(); \
            await new Promise(done => setTimeout(done, 60)); found.push(document.querySelector('canvas').toDataURL()); } return found.map((one, at) => found.indexOf(one) === at && one.length > 3000) }"),
        json!({"key": "Home"}),
        go(&format!("#/run/{:032x}", 59)),
        json!({"until": "() => document.querySelectorAll('canvas').length >= 1"}),
        eval("run", TEXT),
        shot("run"),
        go("#/scatter"),
        json!({"until": "() => document.querySelectorAll('.dot').length > 50"}),
        eval("dots", "() => document.querySelectorAll('.dot').length"),
        shot("scatter"),
        eval("surface", "() => { document.querySelector('.scatter svg').focus(); return true }"),
        json!({"key": "ArrowRight"}), json!({"key": "Enter"}),
        eval("opened", "() => location.hash"),
    ]);
    assert!(
        seen.text("overview").contains("62\nruns"),
        "{}",
        seen.text("overview")
    );
    let rows = |name: &str| -> Vec<String> { serde_json::from_value(seen.result(name).clone()).unwrap() };
    assert_eq!(rows("newest")[0], format!("{:032x}", 59));
    // The lowest loss is that of the first run of all; then come runs with the greatest rate and no offset, the newest first.
    assert_eq!(rows("ascending")[..2], [RUN_A.to_owned(), format!("{:032x}", 33)]);
    assert_eq!(seen.text("sort"), "ascending");
    assert_ne!(rows("descending")[0], rows("ascending")[0]);
    let expected: Vec<_> = (0..60)
        .filter(|number| number % 3 == 0 && (number % 11) < 2 && number % 2 == 0)
        .map(|number| format!("{number:032x}"))
        .collect();
    let mut filtered = rows("filtered");
    filtered.sort();
    assert_eq!(filtered, expected);
    assert!(
        seen.text("refused")
            .contains("Expected numeric value type for metric"),
        "{}",
        seen.text("refused")
    );
    assert!(rows("columns").contains(&"t:cohort".to_owned()));
    assert_eq!(seen.result("chosen"), &json!(2));
    assert_eq!(seen.result("stops"), &json!(0));
    // The first run's `auc` is NaN, so that there is nothing of it to draw.
    assert_eq!(seen.result("charts"), &json!([["auc", 1], ["loss", 2]]));
    assert!(
        seen.text("compared").contains("2 runs chosen") && seen.text("compared").contains("learning_rate")
    );
    assert_eq!(seen.result("painted"), &json!([true, true, true, true]));
    assert!(seen.text("run").contains("200 points") && seen.text("run").contains("run 00059"));
    assert_eq!(seen.result("dots"), &json!(60));
    assert!(seen.text("opened").starts_with("#/run/"));
}

#[test]
fn traces_are_trees_and_files_are_shown_as_what_they_are() {
    let Some(browser) = Browser::find() else { return };
    let page = browser.page("training", training(3, 20));
    let seen = browser.open(&page, json!({}), &[
        go("#/traces"),
        shot("traces"),
        go(&format!("#/trace/{TRACE}")),
        eval("tree", "() => [...document.querySelectorAll('[role=treeitem]')].map(item => [item.getAttribute('aria-level'), item.querySelector('.user').innerText])"),
        eval("focus", "() => { document.querySelector('[role=tree]').focus(); return true }"),
        json!({"key": "ArrowDown"}),
        eval("second", "() => document.querySelector('.span').innerText"),
        shot("trace"),
        json!({"key": "ArrowUp"}), json!({"key": "ArrowLeft"}),
        eval("closed", "() => document.querySelectorAll('[role=treeitem]').length"),
        go(&format!("#/run/{RUN_B}")),
        json!({"click": ".file >> text=table.csv"}),
        eval("table", "() => [...document.querySelectorAll('.preview tr')].map(row => [...row.children].map(cell => cell.innerText))"),
        shot("file"),
        go(&format!("#/run/{RUN_A}")),
        eval("graph", "() => [...document.querySelectorAll('.graph a')].map(a => a.getAttribute('href'))"),
        go(&format!("#/logged/{MODEL}")),
        eval("measured", TEXT),
        go(&format!("#/evaluation/{EVALUATION}")),
        eval("records", TEXT),
        go("#/models"),
        shot("models"),
        go("#/print"),
        json!({"media": "print"}),
        eval("header", "() => getComputedStyle(document.querySelector('header')).display"),
        shot("print"),
    ]);
    let tree = seen.result("tree").as_array().unwrap();
    assert!(
        tree.len() > 1 && tree[0][0] == "1" && tree[1][0] == "2",
        "{tree:?}"
    );
    let second = tree[1][1].as_str().unwrap();
    assert!(
        seen.text("second").starts_with(second) && seen.text("second").contains("INPUTS"),
        "{}",
        seen.text("second")
    );
    assert_eq!(seen.result("closed"), &json!(1));
    assert_eq!(seen.result("table"), &json!([["name", "count"], ["a, b", "3"]]));
    let graph = seen.result("graph").as_array().unwrap();
    assert!(graph.contains(&json!("#/dataset/1/train/9d1f")), "{graph:?}");
    assert!(seen.text("measured").contains("f1"), "{}", seen.text("measured"));
    assert!(seen.text("records").contains("why?"), "{}", seen.text("records"));
    assert_eq!(seen.text("header"), "none");
}

#[test]
fn the_filter_gives_what_mlark_gives() {
    let Some(browser) = Browser::find() else { return };
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/filter/runs.zip");
    let page = browser.page_of("filter", archive.to_str().unwrap());
    let runs: Vec<Run> = Archive::open(&archive)
        .unwrap()
        .objects::<Run>()
        .map(Result::unwrap)
        .collect();
    let golden = fs::read_to_string(archive.with_file_name("golden.jsonl")).unwrap();
    let questions = golden
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    // A field of a page holds every line end as one character.
    let filters: Vec<String> = questions
        .filter_map(|question| Some(question.get("filter")?.as_str()?.to_owned()))
        .filter(|filter| !filter.contains('\r'))
        .collect();
    assert!(filters.len() > 1000);
    let ask = "async filters => { const field = document.getElementById('filter'); const found = []; for (const filter of filters) { \
        field.value = filter; field.dispatchEvent(new Event('change')); \
        const refused = document.querySelector('.refused bdi'); \
        found.push(refused ? { refused: refused.innerText } : [...document.querySelectorAll('.body .row a')].map(a => a.hash.slice('#/run/'.length)).sort()); \
        } return found }";
    let seen = browser.open(
        &page,
        json!({}),
        &[
            go("#/runs"),
            json!({"eval": ask, "with": filters, "as": "answers"}),
        ],
    );
    let answers = seen.result("answers").as_array().unwrap();
    let plain = |text: &str| {
        text.split(|c: char| c.is_whitespace() || c == '⏎')
            .collect::<String>()
    };
    let mut wrong = Vec::new();
    for (filter, answer) in filters.iter().zip(answers) {
        let is_right = match RunFilter::parse(filter) {
            Ok(parsed) => {
                let mut ids: Vec<_> = runs
                    .iter()
                    .filter(|run| parsed.takes(run))
                    .map(|run| run.info.run_id.clone())
                    .collect();
                ids.sort();
                *answer == json!(ids)
            }
            // How a hidden character is written out is not what this is about.
            Err(error) => match answer["refused"].as_str() {
                Some(told) => {
                    plain(told) == plain(error.reason()) || error.reason().contains(char::is_control)
                }
                None => false,
            },
        };
        if !is_right {
            wrong.push(format!("{filter:?}: {answer} but {:?}", RunFilter::parse(filter)));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn ten_thousand_runs_open_as_a_table_that_can_be_used() {
    let Some(browser) = Browser::find() else { return };
    let mut history = training(10_000, 6);
    for run in &mut history.runs {
        for number in 0..20 {
            run.params
                .insert(format!("param_{number}"), Text::from((number * 7).to_string()));
            let latest = LatestMetric {
                timestamp: START,
                step: 0,
                value: Double(f64::from(number)),
            };
            run.metrics.insert(format!("final_{number}"), latest);
        }
    }
    let page = browser.page("many", history);
    let timed = |name: &str, code: &str| {
        eval(
            name,
            &format!(
                "async () => {{ const start = performance.now(); {code}; await new Promise(done => requestAnimationFrame(done)); return performance.now() - start }}"
            ),
        )
    };
    let seen = browser.open(&page, json!({}), &[
        timed("table", "location.hash = '#/runs'; await new Promise(done => setTimeout(done, 0))"),
        eval("count", "() => document.getElementById('told').innerText"),
        eval("elements", "() => document.querySelectorAll('.body .row').length"),
        timed("sort", "document.querySelector(\"[data-column='m:final_0'] button\").click()"),
        timed("filter", "const field = document.getElementById('filter'); field.value = \"metrics.auc > 0 AND params.learning_rate LIKE '0.1%'\"; field.dispatchEvent(new Event('change'))"),
        eval("filtered", "() => document.getElementById('told').innerText"),
        timed("scroll", "document.querySelector('.grid').scrollTop = 40000; await new Promise(done => setTimeout(done, 0))"),
        eval("scrolled", ROWS),
        shot("many"),
    ]);
    let size_mb = fs::metadata(&page).unwrap().len() as f64 / 1e6;
    eprintln!(
        "10,002 runs, a page of {size_mb:.1} MB: opened in {} s, in milliseconds: table {}, sort {}, filter {}, scroll {}",
        seen.0["open_seconds"],
        seen.result("table"),
        seen.result("sort"),
        seen.result("filter"),
        seen.result("scroll")
    );
    assert!(
        seen.text("count").starts_with("10,002 of 10,002 runs"),
        "{}",
        seen.text("count")
    );
    assert!(
        seen.result("elements").as_u64().unwrap() < 100,
        "rows out of sight are no elements"
    );
    assert!(
        seen.text("filtered").starts_with("3,333 of"),
        "{}",
        seen.text("filtered")
    );
    assert!(seen.result("scrolled").as_array().unwrap().len() > 10);
}

/// Texts that do not stand out from their ground, by the contrast that WCAG AA asks for: 4.5, and 3 of large ones.
const FAINT: &str = "() => { \
    const numbers = colour => (colour.match(/[\\d.]+/g) || []).map(Number); \
    const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4).reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0); \
    const ground = element => { for (let at = element; at; at = at.parentElement) { const c = numbers(getComputedStyle(at).backgroundColor); if (c.length === 3 || c[3] > 0.99) return c; } return [255, 255, 255]; }; \
    const faint = []; \
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT); \
    for (let node = walker.nextNode(); node; node = walker.nextNode()) { \
        const element = node.parentElement; \
        if (!node.data.trim() || ['SCRIPT', 'STYLE', 'OPTION', 'title'].includes(element.tagName) || element.offsetParent === null && !(element instanceof SVGElement)) continue; \
        const style = getComputedStyle(element); \
        const ink = numbers(element instanceof SVGElement ? style.fill : style.color); \
        const [a, b] = [light(ink), light(ground(element))].sort((x, y) => y - x); \
        const ratio = (a + 0.05) / (b + 0.05); \
        const size = parseFloat(style.fontSize); \
        const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700); \
        if (ratio < (isLarge ? 3 : 4.5)) faint.push(`${ratio.toFixed(2)} ${element.tagName}.${element.getAttribute('class')}: ${node.data.trim().slice(0, 40)}`); \
    } return faint }";

#[test]
fn every_view_is_readable_in_the_light_in_the_dark_and_on_a_phone() {
    let Some(browser) = Browser::find() else { return };
    let page = browser.page("training", training(40, 120));
    let views = [
        ("overview", "#/".to_owned()),
        ("runs", "#/runs".to_owned()),
        ("compare", "#/compare".to_owned()),
        ("scatter", "#/scatter".to_owned()),
        ("run", format!("#/run/{RUN_A}")),
        ("models", "#/models".to_owned()),
        ("version", "#/version/churn/2".to_owned()),
        ("data", "#/data".to_owned()),
        ("trace", format!("#/trace/{TRACE}")),
    ];
    for (look, name) in [
        (json!({"dark": false}), "light"),
        (json!({"dark": true}), "dark"),
        (json!({"width": 400, "height": 800}), "phone"),
        (json!({"width": 400, "height": 800, "dark": true}), "phone-dark"),
    ] {
        let mut steps = Vec::new();
        for (view, route) in &views {
            steps.push(go(route));
            steps.push(json!({"until": "() => document.querySelector('#view h1') !== null"}));
            steps.push(shot(&format!("{name}-{view}")));
            steps.push(eval(&format!("{view} faint"), FAINT));
            steps.push(eval(
                &format!("{view} width"),
                "() => document.documentElement.scrollWidth - innerWidth",
            ));
        }
        let seen = browser.open(&page, look, &steps);
        for (view, _) in &views {
            assert_eq!(seen.result(&format!("{view} faint")), &json!([]), "{name} {view}");
            // What is wider than the window scrolls within its own box.
            assert!(
                seen.result(&format!("{view} width")).as_i64().unwrap() <= 0,
                "{name} {view}"
            );
        }
    }
}
