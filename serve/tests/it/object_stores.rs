//! `lakehouse doctor --store`, as a user runs it: on a folder, on the S3 stand-in, and on stores that are no good.

use std::path::Path;
use std::process::{Command, Output};

use infra::s3_server::{S3Server, S3ServerConfig};

const VARIABLES: [&str; 6] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_S3_LOCKING_PROVIDER",
];

/// Runs the command with these variables of AWS and no others.
fn doctor(store: &str, variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lakehouse"));
    for name in VARIABLES {
        command.env_remove(name);
    }
    command.envs(variables.iter().copied());
    command.args(["doctor", "--store", store]).output().unwrap()
}

fn text(output: &Output) -> String {
    let out = String::from_utf8_lossy(&output.stdout);
    format!("{out}{}", String::from_utf8_lossy(&output.stderr))
}

/// Returns what is below a folder, but for what the server itself keeps there.
fn entries(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    names.filter(|name| !name.starts_with('.')).collect()
}

#[test]
fn a_folder_is_checked_and_left_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let output = doctor(&dir.path().join("lake").display().to_string(), &[]);
    let text = text(&output);
    assert!(output.status.success(), "{text}");
    assert_eq!(text.lines().count(), 8, "{text}");
    assert!(text.lines().all(|line| line.starts_with("ok ")), "{text}");
    assert_eq!(entries(dir.path()), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_s3_stand_in_is_checked_with_the_variables_of_aws() {
    let dir = tempfile::tempdir().unwrap();
    let server = S3Server::start(S3ServerConfig {
        data_dir: dir.path().to_path_buf(),
        listen: ([127, 0, 0, 1], 0).into(),
        access_key: "stand-in".to_owned(),
        secret_key: "stand-in-secret".to_owned(),
    })
    .await
    .unwrap();
    server.create_bucket("lake").unwrap();
    let endpoint = server.endpoint();
    let mut variables = vec![
        ("AWS_ACCESS_KEY_ID", "stand-in"),
        ("AWS_SECRET_ACCESS_KEY", "stand-in-secret"),
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_ALLOW_HTTP", "true"),
    ];
    let output = doctor("s3://lake/house", &variables);
    let passed = text(&output);
    assert!(output.status.success(), "{passed}");
    assert!(!passed.contains("NO "), "{passed}");
    for part in [
        "open s3://lake/house/",
        "one wins",
        "region: us-east-1",
        "versioning: ",
    ] {
        assert!(passed.contains(part), "{part}: {passed}");
    }

    variables[1] = ("AWS_SECRET_ACCESS_KEY", "wrong");
    let output = doctor("s3://lake/house", &variables);
    assert_eq!(output.status.code(), Some(1));
    let failed = text(&output);
    assert!(failed.contains("access is denied"), "{failed}");
    assert!(failed.contains("hint: "), "{failed}");

    variables.push(("AWS_S3_LOCKING_PROVIDER", "dynamodb"));
    let output = doctor("s3://lake/house", &variables);
    assert_eq!(output.status.code(), Some(1));
    let refused = text(&output);
    assert!(refused.contains("aws_s3_locking_provider"), "{refused}");
    assert!(refused.contains("conditional puts only"), "{refused}");
    server.shutdown().await;
}
