//! What secrets look like: a name, marks for the quick search, and the pattern that has to fit there.

/// A word, what may stand between, and a value.
macro_rules! beside {
    ($words:literal) => {
        concat!(
            "(?i:",
            $words,
            r#")["'\]]{0,2}[ \t]{0,4}(?:=>|:=|==|=|:)[ \t]{0,4}(?:[bru]{0,2}["'])?([^\s"'`,;<>{}()\[\]\\|&]{8,256})"#
        )
    };
}
/// One shape of a secret.
pub(super) struct Rule {
    /// Its name in findings.
    pub(super) name: &'static str,
    /// Texts of which one is in every such secret. Those of words are found in any case.
    pub(super) marks: &'static [&'static str],
    /// Bytes before the mark that may belong to it.
    pub(super) back: usize,
    /// What fits; its first group, where it has one, is the secret itself.
    pub(super) pattern: &'static str,
    /// What else must be so of the secret.
    pub(super) check: fn(&[u8]) -> bool,
}

const fn rule(name: &'static str, marks: &'static [&'static str], pattern: &'static str) -> Rule {
    Rule {
        name,
        marks,
        back: 0,
        pattern,
        check: |_| true,
    }
}

/// Tokens that begin in a way of their own, keys, and URIs.
pub(super) const TOKENS: &[Rule] = &[
    rule(
        "aws-access-key",
        &["AKIA", "ASIA", "ABIA", "ACCA"],
        "A[A-Z]{3}[A-Z2-7]{16}",
    ),
    rule(
        "aws-signature",
        &["X-Amz-Signature="],
        "X-Amz-Signature=([0-9a-f]{64})",
    ),
    rule(
        "aws-session-token",
        &["X-Amz-Security-Token="],
        "X-Amz-Security-Token=([A-Za-z0-9%/+=]{40,1200})",
    ),
    rule("gcp-api-key", &["AIza"], "AIza[0-9A-Za-z_-]{35}"),
    rule("gcp-oauth-token", &["ya29."], r"ya29\.[0-9A-Za-z_-]{20,1000}"),
    rule("gcp-client-secret", &["GOCSPX-"], "GOCSPX-[0-9A-Za-z_-]{28}"),
    rule(
        "gcp-signature",
        &["X-Goog-Signature="],
        "X-Goog-Signature=([0-9a-f]{64,1024})",
    ),
    rule(
        "azure-account-key",
        &["AccountKey="],
        "AccountKey=([A-Za-z0-9+/]{86}==)",
    ),
    rule(
        "azure-sas-signature",
        &["sig="],
        "sig=([A-Za-z0-9+/]{43}=|(?:[A-Za-z0-9]|%2[BbFf]){43}%3[Dd])",
    ),
    Rule {
        back: 4,
        ..rule(
            "azure-client-secret",
            &["Q~"],
            r"[A-Za-z0-9_~.-]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,34}",
        )
    },
    rule(
        "github-token",
        &["ghp_", "gho_", "ghu_", "ghs_", "ghr_"],
        "gh[pousr]_[A-Za-z0-9]{36,255}",
    ),
    rule("github-token", &["github_pat_"], "github_pat_[A-Za-z0-9_]{82}"),
    rule(
        "gitlab-token",
        &[
            "glpat-", "gldt-", "glrt-", "glptt-", "gloas-", "glcbt-", "glft-", "glsoat-",
        ],
        "gl(?:pat|dt|rt|ptt|oas|cbt|ft|soat)-[A-Za-z0-9_.-]{20,255}",
    ),
    rule(
        "slack-token",
        &["xoxa-", "xoxb-", "xoxp-", "xoxo-", "xoxr-", "xoxs-", "xoxe-"],
        "xox[abporse]-[0-9A-Za-z-]{10,250}",
    ),
    rule("slack-token", &["xapp-"], "xapp-[0-9]-[0-9A-Za-z-]{20,250}"),
    rule(
        "slack-webhook",
        &["hooks.slack.com/services/"],
        "hooks.slack.com/services/(T[0-9A-Z]{6,14}/B[0-9A-Z]{6,14}/[0-9A-Za-z]{16,40})",
    ),
    Rule {
        check: is_random,
        ..rule("sk-token", &["sk-"], "sk-[A-Za-z0-9_-]{20,250}")
    },
    rule(
        "huggingface-token",
        &["hf_", "api_org_"],
        "(?:hf|api_org)_[A-Za-z0-9]{30,60}",
    ),
    rule(
        "databricks-token",
        &["dapi", "dose", "dkea"],
        "(?:dapi|dose|dkea)[0-9a-f]{32}(?:-[0-9]{1,3})?",
    ),
    rule(
        "jwt",
        &["eyJ"],
        r"eyJ[A-Za-z0-9_-]{10,600}\.eyJ[A-Za-z0-9_-]{10,900}\.[A-Za-z0-9_-]{16,480}",
    ),
    rule("npm-token", &["npm_"], "npm_[A-Za-z0-9]{36}"),
    rule("pypi-token", &["pypi-"], "pypi-AgE[A-Za-z0-9_-]{50,400}"),
    rule(
        "stripe-key",
        &["sk_live_", "sk_test_", "rk_live_", "rk_test_"],
        "[sr]k_(?:live|test)_[0-9A-Za-z]{16,250}",
    ),
    rule(
        "stripe-webhook-secret",
        &["whsec_"],
        "whsec_[0-9A-Za-z+/=]{32,100}",
    ),
    rule(
        "sendgrid-key",
        &["SG."],
        r"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}",
    ),
    rule(
        "digitalocean-token",
        &["dop_v1_", "doo_v1_", "dor_v1_"],
        "do[por]_v1_[0-9a-f]{64}",
    ),
    rule(
        "shopify-token",
        &["shpat_", "shpca_", "shppa_", "shpss_"],
        "shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}",
    ),
    rule("vault-token", &["hvs.", "hvb."], r"hv[sb]\.[A-Za-z0-9_-]{24,250}"),
    rule("docker-token", &["dckr_pat_"], "dckr_pat_[A-Za-z0-9_-]{27,60}"),
    rule("groq-key", &["gsk_"], "gsk_[A-Za-z0-9]{40,60}"),
    rule("replicate-token", &["r8_"], "r8_[A-Za-z0-9]{37}"),
    rule(
        "langsmith-key",
        &["lsv2_"],
        "lsv2_(?:pt|sk)_[0-9a-f]{32}_[0-9a-f]{10}",
    ),
    rule("grafana-token", &["glsa_"], "glsa_[A-Za-z0-9]{32}_[0-9A-Fa-f]{8}"),
    rule("atlassian-token", &["ATATT3"], "ATATT3[A-Za-z0-9_=-]{50,250}"),
    rule("age-key", &["AGE-SECRET-KEY-1"], "AGE-SECRET-KEY-1[0-9A-Z]{58}"),
    rule(
        "private-key",
        &["-----BEGIN "],
        "-----BEGIN (?:[A-Z0-9]{2,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----",
    ),
    rule(
        "private-key",
        &["PuTTY-User-Key-File-"],
        "PuTTY-User-Key-File-[0-9]",
    ),
    Rule {
        back: 32,
        check: is_password_of_uri,
        ..rule(
            "uri-credentials",
            &["://"],
            r#"[A-Za-z][A-Za-z0-9+.-]{1,30}://[^\s/?#"'<>@:\\]{0,200}:([^\s"'<>@\\]{1,200})@[A-Za-z0-9\[{$]"#,
        )
    },
];

/// Values beside words that tell what they are.
pub(super) const WORDS: &[Rule] = &[
    Rule {
        check: is_password,
        ..rule(
            "password",
            &["password", "passwd", "passphrase", "pwd"],
            beside!("password|passwd|passphrase|pwd"),
        )
    },
    Rule {
        check: is_random,
        ..rule(
            "secret-value",
            &[
                "secret",
                "token",
                "api_key",
                "api-key",
                "apikey",
                "access_key",
                "access-key",
                "accesskey",
                "secret_key",
                "secret-key",
                "secretkey",
                "account_key",
                "accountkey",
                "private_key",
                "encryption_key",
                "auth_key",
                "shared_key",
                "signing_key",
                "credential",
                "credentials",
                "connection_string",
            ],
            beside!(
                "secret|token|(?:api|access|secret|account|private|encryption|auth|shared|signing)[_-]?key|credentials?|connection_string"
            ),
        )
    },
    Rule {
        check: is_random,
        ..rule(
            "authorization",
            &["bearer ", "basic "],
            "(?i:bearer|basic) {1,2}([A-Za-z0-9+/_.=~-]{16,600})",
        )
    },
];

/// Words in values that stand for one, and are none.
const PLACEHOLDERS: &[&str] = &[
    "***",
    "xxxx",
    "....",
    "your",
    "example",
    "changeme",
    "change-me",
    "dummy",
    "placeholder",
    "redacted",
    "masked",
    "not-set",
];

/// Whether a value stands for another.
fn is_placeholder(value: &[u8]) -> bool {
    let lower = value.to_ascii_lowercase();
    value.starts_with(b"$")
        || value.starts_with(b"%(")
        || PLACEHOLDERS
            .iter()
            .any(|word| memchr::memmem::find(&lower, word.as_bytes()).is_some())
}

fn has(value: &[u8], is: impl Fn(&u8) -> bool) -> bool {
    value.iter().any(is)
}

/// Bits that a byte of a value tells, by how often each is there.
fn bits_per_byte(value: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in value {
        counts[usize::from(*byte)] += 1;
    }
    let all = value.len() as f64;
    let shares = counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| f64::from(*count) / all);
    -shares.map(|share| share * share.log2()).sum::<f64>()
}

/// Whether a value looks as if it had been drawn: long, with letters and digits, and no few of each.
fn is_random(value: &[u8]) -> bool {
    let digits = value.iter().filter(|byte| byte.is_ascii_digit()).count();
    value.len() >= 16
        && digits >= 2
        && has(value, u8::is_ascii_alphabetic)
        && has(value, |byte| *byte > b'9')
        && bits_per_byte(value) >= 3.0
        && memchr::memmem::find(value, b"://").is_none()
        && !is_placeholder(value)
}

/// Whether a value looks as if somebody had chosen it as a password.
fn is_password(value: &[u8]) -> bool {
    has(value, u8::is_ascii_alphabetic)
        && has(value, |byte| {
            !byte.is_ascii_alphabetic() && !b"_.-/:".contains(byte)
        })
        && memchr::memmem::find(value, b"://").is_none()
        && !is_placeholder(value)
}

/// Whether what stands before an `@` is a password, and not a port with a path, or a mask.
fn is_password_of_uri(value: &[u8]) -> bool {
    let before_path = value.split(|byte| *byte == b'/').next().unwrap_or_default();
    let is_port = !before_path.is_empty()
        && before_path.len() < value.len()
        && !has(before_path, |byte| !byte.is_ascii_digit());
    let is_template = has(value, |byte| b"{}[]$".contains(byte)) || value.starts_with(b"%(");
    !is_port && !is_template && has(value, |byte| !b"*xX.".contains(byte))
}
