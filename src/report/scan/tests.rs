//! Each rule finds its secret in each form, and finds nothing in what only looks like one.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use super::rules::{TOKENS, WORDS};
use super::{FoundSecret, TextPlace, secrets_in, secrets_of_value};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Letters and digits that repeat nothing for long, so many of them.
fn drawn(alphabet: &str, length: usize) -> String {
    let letters: Vec<char> = alphabet.chars().collect();
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        letters[(state >> 33) as usize % letters.len()]
    };
    (0..length).map(|_| next()).collect()
}

const HEX: &str = "0123456789abcdef";
const WORD: &str = "aZ0bY1cX2dW3eV4fU5gT6hS7iR8jQ9kP";

/// A secret of each rule, made here so that nobody takes it for a real one.
fn planted() -> Vec<(&'static str, String)> {
    let (hex, word) = (|length| drawn(HEX, length), |length| drawn(WORD, length));
    vec![
        ("aws-access-key", format!("AKIA{}", drawn("ABCDEFGHIJ234567", 16))),
        ("aws-signature", format!("X-Amz-Signature={}", hex(64))),
        ("aws-session-token", format!("X-Amz-Security-Token={}", word(80))),
        ("gcp-api-key", format!("AIza{}", word(35))),
        ("gcp-oauth-token", format!("ya29.{}", word(60))),
        ("gcp-client-secret", format!("GOCSPX-{}", word(28))),
        ("gcp-signature", format!("X-Goog-Signature={}", hex(512))),
        ("azure-account-key", format!("AccountKey={}==", word(86))),
        ("azure-sas-signature", format!("sig={}%3D", word(43))),
        ("azure-client-secret", format!("abc8Q~{}", word(34))),
        ("github-token", format!("ghp_{}", word(36))),
        ("github-token", format!("github_pat_{}", word(82))),
        ("gitlab-token", format!("glpat-{}", word(20))),
        (
            "slack-token",
            format!("xoxb-{}-{}", drawn("0123456789", 12), word(24)),
        ),
        ("slack-token", format!("xapp-1-{}", word(40))),
        (
            "slack-webhook",
            format!(
                "https://hooks.slack.com/services/T{}/B{}/{}",
                "0A1B2C3D4",
                "0A1B2C3D5",
                word(24)
            ),
        ),
        ("sk-token", format!("sk-proj-{}", word(48))),
        ("sk-token", format!("sk-ant-api03-{}", word(93))),
        ("sk-token", format!("sk-{}", word(48))),
        (
            "huggingface-token",
            format!("hf_{}", drawn("abcdefghijABCDEFGHIJ", 34)),
        ),
        ("databricks-token", format!("dapi{}", hex(32))),
        ("jwt", format!("eyJ{}.eyJ{}.{}", word(33), word(120), word(43))),
        ("npm-token", format!("npm_{}", word(36))),
        ("pypi-token", format!("pypi-AgEIcHlwaS5vcmc{}", word(150))),
        ("stripe-key", format!("sk_live_{}", word(24))),
        ("stripe-webhook-secret", format!("whsec_{}", word(32))),
        ("sendgrid-key", format!("SG.{}.{}", word(22), word(43))),
        ("digitalocean-token", format!("dop_v1_{}", hex(64))),
        ("shopify-token", format!("shpat_{}", hex(32))),
        ("vault-token", format!("hvs.{}", word(90))),
        ("docker-token", format!("dckr_pat_{}", word(27))),
        ("groq-key", format!("gsk_{}", word(52))),
        ("replicate-token", format!("r8_{}", word(37))),
        ("langsmith-key", format!("lsv2_pt_{}_{}", hex(32), hex(10))),
        ("grafana-token", format!("glsa_{}_{}", word(32), hex(8))),
        ("atlassian-token", format!("ATATT3{}", word(180))),
        (
            "age-key",
            format!("AGE-SECRET-KEY-1{}", drawn("023456789ACDEFGHJKLMN", 58)),
        ),
        ("private-key", "-----BEGIN OPENSSH PRIVATE KEY-----".to_owned()),
        ("private-key", "-----BEGIN PRIVATE KEY-----".to_owned()),
        ("private-key", "PuTTY-User-Key-File-3: ssh-ed25519".to_owned()),
        (
            "uri-credentials",
            "postgresql://zoe77:Sec/ret9@db.internal/mlflow".to_owned(),
        ),
        ("uri-credentials", "redis://:hunter22@cache:6379/0".to_owned()),
        ("password", "db_password = 'Tr0ub4dor&3'".replace('&', "-")),
        ("password", "PGPASSWORD=correct-horse-9".to_owned()),
        ("secret-value", format!("client_secret: {}", word(32))),
        ("secret-value", format!("{{\"api_key\": \"{}\"}}", hex(40))),
        (
            "secret-value",
            format!("os.environ['HF_TOKEN'] = \"{}\"", word(30)),
        ),
        ("authorization", format!("Authorization: Bearer {}", word(40))),
    ]
}

fn rules_in(text: &str) -> Vec<&'static str> {
    secrets_in(text.as_bytes())
        .into_iter()
        .map(|(rule, _)| rule)
        .collect()
}

#[test]
fn every_rule_finds_its_secret_in_every_form() {
    let planted = planted();
    for rule in TOKENS.iter().chain(WORDS) {
        assert!(
            planted.iter().any(|(name, _)| *name == rule.name),
            "{} is planted",
            rule.name
        );
    }
    for (rule, secret) in planted {
        let json = serde_json::Value::from(secret.as_str()).to_string();
        let nested = serde_json::Value::from(format!("{{\"a\": {json}}}")).to_string();
        let percent: String = secret.bytes().map(|byte| format!("%{byte:02X}")).collect();
        for text in [
            secret.clone(),
            format!("see {secret}, and more"),
            format!("line\n{secret}\nline"),
            json,
            nested,
            percent,
            STANDARD.encode(format!("x {secret} y")),
        ] {
            assert!(
                rules_in(&text).contains(&rule),
                "{rule} in {text}: {:?}",
                rules_in(&text)
            );
        }
    }
}

#[test]
fn a_key_tells_what_its_value_is() {
    let found = |key: &str, value: &str| {
        let secrets = secrets_of_value(&["params".into(), key.into()], value.as_bytes());
        secrets.into_iter().next()
    };
    let value = drawn(WORD, 24);
    assert_eq!(found("wandb.api_key", &value), Some(("secret-value", 24)));
    assert_eq!(found("openaiToken", &value), Some(("secret-value", 24)));
    assert_eq!(found("db.password", "s3cret-pw"), Some(("password", 9)));
    for (key, value) in [
        ("note", &*value),
        ("eos_token", "<|endoftext|>"),
        ("token", "hello"),
        ("max_tokens", "12345678901234567"),
        ("tokenizer", "bert-base-uncased-12345"),
        ("api_key", "${OPENAI_API_KEY_2024}"),
        ("api_key", "your-api-key-goes-here-0123"),
        ("password", "********"),
        ("password", "getpass.getpass"),
        ("secret", "arn:aws:secretsmanager"),
        ("token_url", "https://login.example.org/oauth2/v2.0/token"),
    ] {
        assert_eq!(found(key, value), None, "{key} {value}");
    }
}

#[test]
fn what_mlflow_itself_writes_is_no_secret() {
    let hex = |length| drawn(HEX, length);
    for text in [
        format!("runs:/{}/model", hex(32)),
        format!("models:/m-{}", hex(32)),
        format!("mlflow.source.git.commit={}", hex(40)),
        format!("\"sha256\":\"{}\"", hex(64)),
        format!("tr-{}", hex(32)),
        "{\"mlflow.trace.tokenUsage\": \"{\\\"input_tokens\\\": 12345678901234567890}\"}".to_owned(),
        "http://localhost:5000/api/2.0/mlflow@v1".to_owned(),
        "https://github.com/mlflow/mlflow.git@master".to_owned(),
        "sk-learn-based-random-forest-classifier-v2-with-grid-search".to_owned(),
        "postgresql://user:***@host/db".to_owned(),
        "postgresql://user:${DB_PASSWORD}@host/db".to_owned(),
        "-----BEGIN CERTIFICATE-----".to_owned(),
        "def f(token: Optional[str] = None, password: str = config.password)".to_owned(),
        "scikit-learn==1.7.2\npsutil==7.1.0\nbasic understanding of tokens=12".to_owned(),
    ] {
        assert_eq!(rules_in(&text), Vec::<&str>::new(), "{text}");
    }
}

#[test]
fn nothing_that_is_told_of_a_secret_repeats_it() {
    let secret = format!("ghp_{}", drawn(WORD, 36));
    let at = TextPlace {
        file: "objects/runs-00000.jsonl".to_owned(),
        id: Some(secret.clone()),
        field: Some(format!("tags.{secret}")),
        key: vec!["tags".to_owned(), secret.clone()],
        artifact: Some(format!("a/{secret}.txt")),
        ..TextPlace::default()
    };
    let found = FoundSecret::new(at, "github-token", 40);
    let told = format!(
        "{found:?} {} {}",
        found.place,
        serde_json::to_string(&found).unwrap()
    );
    assert!(!told.contains("ghp_") && told.contains("tags.***"), "{told}");
}
