mod functions;
mod management;
mod protocol;
mod spooling;
mod stopping;

use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{Request, Response};
use lake::{Lake, StorageConfig};
use serde_json::Value;
use tower::ServiceExt as _;

use super::*;
use crate::QueryConfig;

/// A door over an empty lake in memory, without a socket.
struct House {
    engine: QueryEngine,
    door: Arc<Door>,
    router: Router,
}

/// An answer, read to its end.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    bytes: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes)
            .unwrap_or_else(|_| panic!("{} {}", self.status, self.text()))
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// The path of `nextUri`.
    fn next(&self) -> Option<String> {
        let uri = self.json()["nextUri"].as_str()?.to_owned();
        Some(uri.strip_prefix("http://h:1").unwrap().to_owned())
    }

    fn error_name(&self) -> Option<String> {
        Some(self.json()["error"]["errorName"].as_str()?.to_owned())
    }
}

impl House {
    async fn new(config: QueryConfig) -> Self {
        let lake = Lake::open(&StorageConfig::for_url("memory://"))
            .await
            .unwrap();
        let engine = QueryEngine::new(lake, config).unwrap();
        let door = Arc::new(Door::new(engine.clone()));
        let router = routes(Arc::clone(&door));
        Self {
            engine,
            door,
            router,
        }
    }

    async fn start() -> Self {
        Self::new(QueryConfig::default()).await
    }

    async fn ask(&self, method: &str, uri: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(uri)
            .header("host", "h:1");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let response: Response<Body> = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            bytes: bytes.to_vec(),
        }
    }

    async fn send(&self, method: &str, uri: &str, body: &str) -> Answer {
        self.ask(method, uri, &[("x-trino-user", "u")], body).await
    }

    async fn get(&self, uri: &str) -> Answer {
        self.ask("GET", uri, &[], "").await
    }

    /// Runs a statement to its end and returns every answer.
    async fn run(&self, headers: &[(&str, &str)], sql: &str) -> Vec<Answer> {
        let user = [("x-trino-user", "u")];
        let is_presto = headers.iter().any(|(name, _)| name.contains("presto"));
        let headers: Vec<(&str, &str)> = match is_presto {
            true => headers.to_vec(),
            false => user.iter().chain(headers).copied().collect(),
        };
        let mut answers = vec![self.ask("POST", "/v1/statement", &headers, sql).await];
        while let Some(next) = answers.last().unwrap().next() {
            answers.push(self.get(&next).await);
        }
        answers
    }

    /// The rows of a statement, of a client that reads them in pages.
    async fn rows(&self, headers: &[(&str, &str)], sql: &str) -> Vec<Value> {
        let answers = self.run(headers, sql).await;
        let last = answers.last().unwrap();
        assert_eq!(last.error_name(), None, "{sql}: {}", last.text());
        let pages = answers.iter().map(Answer::json);
        pages
            .flat_map(|page| page["data"].as_array().cloned().unwrap_or_default())
            .collect()
    }

    /// Waits until no task works for a query.
    async fn settled(&self) -> Duration {
        let started = Instant::now();
        while self.engine.registry().task_count() > 0 {
            assert!(started.elapsed() < Duration::from_secs(10), "tasks go on");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        started.elapsed()
    }
}

/// A query with `10^digits` rows `n`, which no statistics tell beforehand.
fn numbers(digits: usize) -> String {
    let value: Vec<String> = (0..digits)
        .map(|d| format!("d{d}.x * {}", 10_u64.pow(u32::try_from(d).unwrap())))
        .collect();
    let from: Vec<String> = (0..digits)
        .map(|d| format!("(VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9)) d{d}(x)"))
        .collect();
    format!(
        "(SELECT CAST({} AS BIGINT) AS n FROM {})",
        value.join(" + "),
        from.join(" CROSS JOIN ")
    )
}
