//! A history whose every text tries to become markup, a script, or another text than it is.

use super::common::{History, RUN_A, point};
use mlark::model::*;

/// What each text holds; `OWNED` in the title of the page, or `window.owned`, tells that one of them was run.
pub const PAYLOADS: [&str; 8] = [
    "</script><script>window.owned=1;document.title='OWNED'</script>",
    "<img src=x onerror=\"window.owned=1;document.title='OWNED'\">",
    "<!--<script>window.owned=1</script>",
    "\u{202e}lmth.exe\u{2066}<svg onload=window.owned=1>",
    "javascript:window.owned=1//",
    "'\"><iframe srcdoc='<script>parent.owned=1</script>'>",
    "{{constructor.constructor('window.owned=1')()}}${window.owned=1}`",
    "<style>*{display:none}</style><base href=//evil.invalid/><meta http-equiv=refresh content=0;url=//evil.invalid>",
];

/// All of them in one text.
pub fn payload() -> String {
    PAYLOADS.join("\n")
}

fn texts(prefix: &str) -> TextMap {
    let of =
        |(number, payload): (usize, &&str)| (format!("{prefix}{number} {payload}"), Text::from(*payload));
    PAYLOADS.iter().enumerate().map(of).collect()
}

/// The first pixels of every kind of file that could be more than text.
pub fn files() -> Vec<(&'static str, Vec<u8>)> {
    let pixel = [
        0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 0x0d, b'I', b'H', b'D', b'R', 0, 0, 0, 1, 0,
        0, 0, 1, 8, 6, 0, 0, 0, 0x1f, 0x15, 0xc4, 0x89, 0, 0, 0, 0x0d, b'I', b'D', b'A', b'T', 0x78, 0x9c,
        0x63, 0xf8, 0xcf, 0xc0, 0xf0, 0x1f, 0, 5, 0, 1, 0xff, 0x56, 0xc7, 0x2f, 0x0d, 0, 0, 0, 0, b'I', b'E',
        b'N', b'D', 0xae, 0x42, 0x60, 0x82,
    ];
    vec![
        (
            "a.svg",
            format!(
                "<svg xmlns='http://www.w3.org/2000/svg' onload='window.owned=1'>{}</svg>",
                payload()
            )
            .into_bytes(),
        ),
        ("b.html", format!("<!doctype html>{}", payload()).into_bytes()),
        (
            "c.csv",
            format!(
                "a,b\n\"{}\",2\n=cmd|' /C calc'!A0,3\n",
                payload().replace('"', "\"\"")
            )
            .into_bytes(),
        ),
        (
            "d.json",
            serde_json::to_vec(&serde_json::json!({payload(): [payload(), {"__proto__": {"owned": 1}}]}))
                .unwrap(),
        ),
        ("e.png", pixel.to_vec()),
        // Text that calls itself an image.
        ("f.png", payload().into_bytes()),
        ("g.bin", vec![0, 159, 146, 150]),
        ("<img src=x onerror=window.owned=1>.txt", b"a name".to_vec()),
    ]
}

/// The history.
pub fn hostile() -> History {
    let mut history = History::new();
    let text = payload();
    for experiment in &mut history.experiments {
        experiment.name = format!("{} {text}", experiment.experiment_id);
        experiment.tags = texts("tag");
    }
    for run in &mut history.runs {
        run.info.run_name = Some(text.clone());
        run.info.user_id = Some(text.clone());
        run.info.artifact_uri = Some(PAYLOADS[4].to_owned());
        run.params = texts("param");
        let parent = run.tags.remove("mlflow.parentRunId");
        run.tags = texts("tag");
        run.tags
            .extend(parent.map(|parent| ("mlflow.parentRunId".to_owned(), parent)));
        for key in [
            "mlflow.source.name",
            "mlflow.note.content",
            "mlflow.source.git.commit",
        ] {
            run.tags.insert(key.to_owned(), Text::from(text.as_str()));
        }
    }
    let key = PAYLOADS[0].to_owned();
    let latest = history.runs[0].metrics["loss"].clone();
    history.runs[0].metrics.insert(key.clone(), latest);
    history.metrics.insert(
        0,
        (
            RUN_A.into(),
            key,
            (0..5).map(|step| point(step, step, 0.5)).collect(),
        ),
    );
    history.datasets[0].source = Some(r#"{"uri": "javascript:window.owned=1"}"#.into());
    history.datasets[0].schema = Some(text.clone());
    history.logged_models[0].name = Some(text.clone());
    history.logged_models[0].tags = texts("tag");
    for model in &mut history.registered_models {
        model.description = Some(text.clone());
        model.tags.extend(texts("tag"));
    }
    for version in &mut history.model_versions {
        version.description = Some(text.clone());
        version.source = Some(PAYLOADS[4].to_owned());
        version.tags.extend(texts("tag"));
    }
    for trace in &mut history.traces {
        trace.request_preview = Some(text.clone());
        trace.response_preview = Some(text.clone());
        trace.tags = texts("tag");
        trace.trace_metadata.extend(texts("metadata"));
    }
    for span in &mut history.spans {
        span.name = text.clone();
        span.status_message = Some(text.clone());
        let quoted = serde_json::to_string(&text).unwrap();
        for key in ["mlflow.spanInputs", "mlflow.spanOutputs", PAYLOADS[1]] {
            span.attributes.insert(key.to_owned(), quoted.clone().into());
        }
    }
    history.model_metrics[0].1 = PAYLOADS[0].to_owned();
    history.evaluation_datasets[0].name = text.clone();
    let record = &mut history.records[0];
    record.inputs = Some(serde_json::json!({PAYLOADS[0]: text, "long": text.repeat(20)}));
    record.outputs = Some(text.clone().into());
    record.created_by = Some(text.clone());
    history.artifacts = files()
        .into_iter()
        .map(|(path, bytes)| {
            (
                OwnerKind::Run,
                RUN_A.to_owned(),
                path.replace('/', "-"),
                Ok(bytes),
            )
        })
        .collect();
    history.artifacts.sort_by(|a, b| a.2.cmp(&b.2));
    history
}
