use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, Decimal128Array, Float64Array, Int64Array, ListArray, RecordBatch,
    StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Int64Type, TimeUnit};
use axum::body::Body;
use axum::http::Request;
use lake::{Lake, StorageConfig};
use serde_json::Value;
use tower::ServiceExt as _;

use super::encode::RowEncoder;
use super::*;
use crate::QueryConfig;

fn encoded(array: ArrayRef) -> String {
    let batch = RecordBatch::try_from_iter([("x", array)]).unwrap();
    let mut out = Vec::new();
    RowEncoder {
        has_parametric_datetime: true,
    }
    .write(&batch, &mut out)
    .unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn doubles_are_float_tokens() {
    let values = vec![1.0, 1e10, 1e-5, 0.1, -0.0, f64::NAN, f64::INFINITY];
    assert_eq!(
        encoded(Arc::new(Float64Array::from(values))),
        r#"[1.0],[1.0E10],[1.0E-5],[0.1],[-0.0],["NaN"],["Infinity"]"#
    );
}

#[test]
fn values_have_their_text_forms() {
    let decimal = Decimal128Array::from(vec![120, -5])
        .with_precision_and_scale(10, 2)
        .unwrap();
    assert_eq!(encoded(Arc::new(decimal)), r#"["1.20"],["-0.05"]"#);
    assert_eq!(
        encoded(Arc::new(StringArray::from(vec![Some("a\"\n"), None]))),
        "[\"a\\\"\\n\"],[null]"
    );
    assert_eq!(
        encoded(Arc::new(BinaryArray::from(vec![b"\x00\xff".as_slice()]))),
        r#"["AP8="]"#
    );
    assert_eq!(
        encoded(Arc::new(Int64Array::from(vec![i64::MAX]))),
        "[9223372036854775807]"
    );
    let lists =
        ListArray::from_iter_primitive::<Int64Type, _, _>([Some(vec![Some(1), None]), None]);
    assert_eq!(encoded(Arc::new(lists)), "[[1,null]],[null]");
}

#[test]
fn timestamps_show_wall_time_and_zone() {
    let times = || TimestampMicrosecondArray::from(vec![1_000_001, -1]);
    assert_eq!(
        encoded(Arc::new(times())),
        r#"["1970-01-01 00:00:01.000001"],["1969-12-31 23:59:59.999999"]"#
    );
    let zoned = times().with_timezone("+02:00");
    assert_eq!(
        encoded(Arc::new(zoned)),
        r#"["1970-01-01 02:00:01.000001 +02:00"],["1970-01-01 01:59:59.999999 +02:00"]"#
    );
}

#[test]
fn signatures_carry_their_arguments() {
    let style = model::TypeStyle {
        has_parametric_datetime: true,
        prefix: headers::Prefix::Trino,
    };
    let field =
        arrow::datatypes::Field::new("x", DataType::Timestamp(TimeUnit::Microsecond, None), true);
    let columns = model::columns(&Arc::new(arrow::datatypes::Schema::new(vec![field])), style);
    assert_eq!(columns[0]["type"], "timestamp(6)");
    assert_eq!(columns[0]["typeSignature"]["arguments"][0]["value"], 6);
}

#[test]
fn syntax_errors_name_their_place() {
    let error = crate::Error::Syntax {
        message:
            "sql parser error: Expected: an SQL statement, found: SELEKT at Line: 1, Column: 1"
                .to_owned(),
    };
    let error = TrinoError::of(&error);
    assert_eq!((error.code, error.name), (1, "SYNTAX_ERROR"));
    assert_eq!(
        error.message,
        "line 1:1: mismatched input 'SELEKT'. Expecting: an SQL statement"
    );
}

async fn door() -> Router {
    let lake = Lake::open(&StorageConfig::for_url("memory://"))
        .await
        .unwrap();
    router(QueryEngine::new(lake, QueryConfig::default()).unwrap())
}

async fn send(door: &Router, method: &str, uri: &str, body: &str) -> (StatusCode, Vec<u8>) {
    let request = Request::builder()
        .method(method)
        .uri(uri)
        .header("host", "h:1")
        .header("x-trino-user", "u");
    let response = door
        .clone()
        .oneshot(request.body(Body::from(body.to_owned())).unwrap())
        .await
        .unwrap();
    let status = response.status();
    let bytes = axum::body::to_bytes(response.into_body(), usize::MAX)
        .await
        .unwrap();
    (status, bytes.to_vec())
}

fn next(body: &[u8]) -> Option<String> {
    let document: Value = serde_json::from_slice(body).unwrap();
    let uri = document["nextUri"].as_str()?;
    Some(uri.strip_prefix("http://h:1").unwrap().to_owned())
}

#[tokio::test]
async fn a_page_is_served_again_and_an_older_one_is_gone() {
    let door = door().await;
    let (status, body) = send(&door, "POST", "/v1/statement", "SELECT 1 AS x").await;
    assert_eq!(status, StatusCode::OK);
    let document: Value = serde_json::from_slice(&body).unwrap();
    assert!(document.get("columns").is_none() && document.get("data").is_none());
    assert_eq!(document["stats"]["state"], "QUEUED");
    let (_, body) = send(&door, "GET", &next(&body).unwrap(), "").await;
    let first = next(&body).unwrap();
    let (_, page) = send(&door, "GET", &first, "").await;
    let (_, again) = send(&door, "GET", &first, "").await;
    assert_eq!(page, again);
    let mut body = page;
    let data = loop {
        let document: Value = serde_json::from_slice(&body).unwrap();
        if let Some(data) = document.get("data") {
            break data.clone();
        }
        body = send(&door, "GET", &next(&body).unwrap(), "").await.1;
    };
    assert_eq!(data, serde_json::json!([[1]]));
    let future = first.strip_suffix('0').unwrap().to_owned() + "70";
    assert_eq!(
        send(&door, "GET", &future, "").await.0,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        send(&door, "GET", &first.replace("/y", "/z"), "").await.0,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        send(&door, "DELETE", &first, "").await.0,
        StatusCode::NO_CONTENT
    );
}

#[tokio::test]
async fn a_cancelled_query_says_so() {
    let door = door().await;
    let (_, body) = send(&door, "POST", "/v1/statement", "SELECT 1").await;
    let queued = next(&body).unwrap();
    assert_eq!(
        send(&door, "DELETE", &queued, "").await.0,
        StatusCode::NO_CONTENT
    );
    let (_, body) = send(&door, "GET", &queued, "").await;
    let (status, body) = send(&door, "GET", &next(&body).unwrap(), "").await;
    let document: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        (status, document["error"]["errorName"].as_str()),
        (StatusCode::OK, Some("USER_CANCELED"))
    );
}

#[tokio::test]
async fn requests_without_user_or_text_are_refused() {
    let door = door().await;
    let request = Request::post("/v1/statement")
        .body(Body::from("SELECT 1"))
        .unwrap();
    let response = door.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(
        send(&door, "POST", "/v1/statement", " ").await.0,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(
        send(&door, "HEAD", "/v1/statement", "").await.0,
        StatusCode::OK
    );
    assert_eq!(send(&door, "GET", "/v1/info", "").await.0, StatusCode::OK);
}
