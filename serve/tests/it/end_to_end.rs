//! From an event on Kafka to a row in SQL, and from the form to a prediction in MongoDB.

use std::process::Command;

use serde_json::{Value, json};
use serve::config::Config;

use crate::sandbox::{FLIGHTS, Sandbox, real_config, test_config, wait_for};

const FORM: [(&str, &str); 6] = [
    ("DepDelay", "25"),
    ("Carrier", "DL"),
    ("FlightDate", "2013-12-24"),
    ("Origin", "JFK"),
    ("Dest", "ATL"),
    ("FlightNum", "1519"),
];
const CLASSIFY: &str = "/flights/delays/predict/classify_realtime";

#[tokio::test(flavor = "multi_thread")]
async fn on_the_stand_ins() {
    let dir = tempfile::tempdir().unwrap();
    Box::pin(live_through(test_config(dir.path()))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_real_services_when_configured() {
    let dir = tempfile::tempdir().unwrap();
    match real_config(dir.path()) {
        Some(config) => Box::pin(live_through(config)).await,
        None => println!("SKIPPED: LAKEHOUSE_TEST_… does not name Kafka, S3 and MongoDB"),
    }
}

async fn live_through(config: Config) {
    let sandbox = Sandbox::start_with(config.clone()).await;
    wait_for("the history", || async {
        let history = sandbox.house.status.snapshot().history;
        (history.total > 0 && history.done == history.total).then_some(())
    })
    .await;
    answers_are_predicted(&sandbox, &config).await;
    bad_input_is_refused(&sandbox).await;
    pages_are_there(&sandbox).await;
    sandbox.all_flights().await;
    the_flights_are_those_of_the_files(&sandbox).await;
    malformed_events_are_parked(&sandbox, &config).await;
    second_model_takes_over(&sandbox).await;
    commands_work_beside_the_house(&config).await;
    sandbox.house.stop().await;

    // A second start has everything and answers what was asked before it.
    let sandbox = Sandbox::start_with(config).await;
    sandbox.all_flights().await;
    let prediction = ask(&sandbox).await;
    assert_eq!(prediction["ModelVersion"], 2, "{prediction}");
    sandbox.house.stop().await;
}

/// Replayed flights went through JSON and came back with the same values.
async fn the_flights_are_those_of_the_files(sandbox: &Sandbox) {
    for (sql, expected) in [
        (
            "SELECT count(*) FROM (SELECT DISTINCT * FROM flights)",
            FLIGHTS,
        ),
        ("SELECT sum(distance) FROM flights", 350_217_607),
        ("SELECT count(*) FROM flights WHERE dep_time IS NULL", 8_255),
        (
            "SELECT count(*) FROM flights WHERE arr_delay IS NULL",
            9_430,
        ),
        // In winter New York is five hours behind.
        (
            "SELECT count(*) FROM flights WHERE month = 12 AND extract(hour FROM time_hour) <> (hour + 5) % 24",
            0,
        ),
        (
            "SELECT count(*) FROM flights WHERE extract(day FROM flight_date) <> day",
            0,
        ),
    ] {
        let sql = sql.replace("FROM flights", "FROM lake.flights.flights");
        assert_eq!(sandbox.number(&sql).await, expected, "{sql}");
    }
}

/// Asks for a prediction the way the page does, and waits for it.
async fn ask(sandbox: &Sandbox) -> Value {
    let submit = sandbox.url(CLASSIFY);
    let request = sandbox.http.post(&submit).form(&FORM);
    let posted: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(posted["status"], "OK", "{posted}");
    let poll = format!("{submit}/response/{}", posted["id"].as_str().unwrap());
    let answer = wait_for("the prediction", || async {
        let answer: Value = sandbox
            .http
            .get(&poll)
            .send()
            .await
            .ok()?
            .json()
            .await
            .ok()?;
        let is_known = answer["status"] == "WAIT" || answer["status"] == "OK";
        assert!(is_known, "{answer}");
        assert_eq!(answer["id"], posted["id"]);
        (answer["status"] == "OK").then_some(answer)
    });
    answer.await["prediction"].clone()
}

async fn answers_are_predicted(sandbox: &Sandbox, config: &Config) {
    let prediction = ask(sandbox).await;
    let expected = json!({
        "Origin": "JFK", "Dest": "ATL", "Route": "JFK-ATL", "Carrier": "DL", "FlightNum": "1519",
        "FlightDate": "2013-12-24", "DayOfWeek": 2, "DayOfYear": 358, "DayOfMonth": 24,
        "DepDelay": 25.0, "Distance": 760.0,
    });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(&prediction[field], value, "`{field}` of {prediction}");
    }
    for field in [
        "Timestamp",
        "UUID",
        "Prediction",
        "ModelVersion",
        "TableVersion",
    ] {
        assert!(!prediction[field].is_null(), "`{field}` of {prediction}");
    }
    let probabilities = prediction["Probabilities"].as_array().unwrap();
    let sum: f64 = probabilities.iter().filter_map(Value::as_f64).sum();
    assert!((sum - 1.0).abs() < 1e-6, "{prediction}");

    // The answer is where the web application of others would look for it.
    let client = mongodb::Client::with_uri_str(&sandbox.house.mongodb)
        .await
        .unwrap();
    let database = client.database(&config.mongodb.database);
    let documents = database.collection::<mongodb::bson::Document>("flight_delay_ml_response");
    let id = prediction["UUID"].as_str().unwrap();
    let filter = mongodb::bson::doc! { "UUID": id };
    let document = documents.find_one(filter).await.unwrap().unwrap();
    assert_eq!(document.get_str("Route").unwrap(), "JFK-ATL");
}

async fn bad_input_is_refused(sandbox: &Sandbox) {
    let submit = sandbox.url(CLASSIFY);
    let unknown = format!("{submit}/response/{}", uuid::Uuid::new_v4());
    let response = sandbox.http.get(unknown).send().await.unwrap();
    assert_eq!(response.status(), 404);
    for (field, wrong) in [
        ("DepDelay", "late"),
        ("DepDelay", "NaN"),
        ("Carrier", "ZZ"),
        ("FlightDate", "2013-02-30"),
        ("Origin", "XXX"),
        ("Dest", ""),
    ] {
        let form = FORM.map(|(name, value)| (name, if name == field { wrong } else { value }));
        let refused = sandbox.http.post(&submit).form(&form).send().await.unwrap();
        assert_eq!(refused.status(), 422, "{field}={wrong}");
        let refused: Value = refused.json().await.unwrap();
        assert_eq!(refused["errors"][0]["field"], field, "{refused}");
        assert!(refused["errors"][0]["reason"].is_string(), "{refused}");
    }
    let missing = FORM.into_iter().filter(|(name, _)| *name != "Dest");
    let missing: Vec<_> = missing.collect();
    let refused = sandbox
        .http
        .post(&submit)
        .form(&missing)
        .send()
        .await
        .unwrap();
    assert_eq!(refused.status(), 422);

    // A browser without scripts gets the form back with what was typed.
    let form = FORM.map(|(name, value)| (name, if name == "Carrier" { "ZZ" } else { value }));
    let request = sandbox.http.post(&submit).header("accept", "text/html");
    let page = request.form(&form).send().await.unwrap();
    assert_eq!(page.status(), 422);
    let page = page.text().await.unwrap();
    assert!(
        page.contains("1519") && page.contains("2013-12-24"),
        "{page}"
    );
}

async fn pages_are_there(sandbox: &Sandbox) {
    for (page, holds) in [
        ("/", "flights.flights"),
        ("/airlines", "Delta Air Lines"),
        ("/airline/DL", "Delta Air Lines"),
        ("/flights/search?origin=JFK&dest=LAX", "LAX"),
        ("/flights/delays/predict_kafka", "FlightNum"),
        ("/sql", "<textarea"),
    ] {
        let response = sandbox.http.get(sandbox.url(page)).send().await.unwrap();
        assert_eq!(response.status(), 200, "{page}");
        let text = response.text().await.unwrap();
        assert!(text.contains(holds), "{page} lacks `{holds}`: {text}");
    }
    let unknown = sandbox.http.get(sandbox.url("/airline/ZZZ"));
    assert_eq!(unknown.send().await.unwrap().status(), 404);
}

/// Sends events through the command line, as a user would; the stream goes on behind them.
async fn malformed_events_are_parked(sandbox: &Sandbox, config: &Config) {
    let file = config.data_dir.join("events.jsonl");
    std::fs::write(&file, "no json\n{\"year\":\"x\"}\n").unwrap();
    let topic = config.flights.topic.as_str();
    let file = file.to_str().unwrap();
    lakehouse(config, &["produce", file, "--topic", topic]).await;
    let parked = "SELECT count(DISTINCT \"offset\") FROM lake.ingest.dead_letters";
    wait_for("two dead letters", || async {
        (sandbox.number(parked).await == 2).then_some(())
    })
    .await;
    let bytes = "SELECT count(*) FROM lake.ingest.dead_letters WHERE payload = X'6e6f206a736f6e'";
    assert_eq!(sandbox.number(bytes).await, 1);
    let consume = [
        "consume",
        "--topic",
        topic,
        "--from",
        "beginning",
        "--max",
        "1",
    ];
    let first = lakehouse(config, &consume).await;
    let first: Value = serde_json::from_str(&first).unwrap();
    assert_eq!(first["year"], 2013, "{first}");
}

/// Runs a command beside the running house and returns what it prints.
async fn lakehouse(config: &Config, arguments: &[&str]) -> String {
    let file = config.data_dir.join("house.toml");
    std::fs::write(&file, toml::to_string(config).unwrap()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_lakehouse"));
    command.args(arguments).arg("--config").arg(file);
    let running = tokio::task::spawn_blocking(move || command.output());
    let output = running.await.unwrap().unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

async fn commands_work_beside_the_house(config: &Config) {
    let train = [
        "train",
        "--learner",
        "fast",
        "--table-version",
        "1",
        "--no-promote",
    ];
    let card = lakehouse(config, &train).await;
    assert!(
        card.contains("model 3") && card.contains("from version 1"),
        "{card}"
    );
    let models = lakehouse(config, &["models"]).await;
    assert_eq!(models.lines().count(), 4, "{models}");
    assert_eq!(models.matches("in service").count(), 1, "{models}");
    let checks = lakehouse(config, &["doctor"]).await;
    assert!(
        checks.contains("ok  Kafka") && checks.contains("ok  MongoDB"),
        "{checks}"
    );
    let tables = lakehouse(config, &["tables"]).await;
    assert!(tables.contains("336776"), "{tables}");
}

async fn second_model_takes_over(sandbox: &Sandbox) {
    wait_for("the second model", || async {
        let prediction = ask(sandbox).await;
        (prediction["ModelVersion"] == 2).then_some(())
    })
    .await;
}
