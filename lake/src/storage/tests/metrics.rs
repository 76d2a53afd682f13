//! What is counted of a store.

use std::collections::BTreeMap;

use ::metrics::{
    Counter, CounterFn, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};
use parking_lot::Mutex;

use super::*;

/// Keeps the sum of each counter, and the number of values of each histogram.
#[derive(Debug, Default)]
struct Sums(Arc<Mutex<BTreeMap<String, u64>>>);

struct Sum(String, Arc<Mutex<BTreeMap<String, u64>>>);

impl Sum {
    fn add(&self, value: u64) {
        *self.1.lock().entry(self.0.clone()).or_default() += value;
    }
}

impl CounterFn for Sum {
    fn increment(&self, value: u64) {
        self.add(value);
    }

    fn absolute(&self, _: u64) {}
}

impl HistogramFn for Sum {
    fn record(&self, _: f64) {
        self.add(1);
    }
}

impl Sums {
    fn sum(&self, key: &Key) -> Arc<Sum> {
        let labels = key.labels().map(|label| label.value());
        let parts: Vec<_> = std::iter::once(key.name()).chain(labels).collect();
        Arc::new(Sum(parts.join(" "), Arc::clone(&self.0)))
    }
}

impl Recorder for Sums {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.sum(key))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.sum(key))
    }
}

#[tokio::test]
async fn requests_and_bytes_are_counted_by_store_operation_and_outcome() {
    let sums = Sums::default();
    let _guard = ::metrics::set_default_local_recorder(&sums);
    let config = StorageConfig::for_url("memory://counted");
    let storage = Storage::open(&config).await.unwrap();
    sums.0.lock().clear();

    let store = storage.object_store();
    let key = Path::from("a");
    store
        .put(&key, PutPayload::from_static(b"12345"))
        .await
        .unwrap();
    assert!(
        store
            .put_opts(
                &key,
                PutPayload::from_static(b"6"),
                object_store::PutMode::Create.into()
            )
            .await
            .is_err()
    );
    store.get(&key).await.unwrap().bytes().await.unwrap();
    store.get_ranges(&key, &[0..1, 2..4]).await.unwrap();
    store.get(&Path::from("absent")).await.unwrap_err();
    store.head(&key).await.unwrap();
    store.list(None).try_collect::<Vec<_>>().await.unwrap();
    drop(store.list(None));
    let mut upload = store.put_multipart(&Path::from("b")).await.unwrap();
    upload
        .put_part(PutPayload::from_static(b"1234567"))
        .await
        .unwrap();
    upload.complete().await.unwrap();
    store.delete(&key).await.unwrap();

    let sums = sums.0.lock();
    let request = |what: &str| {
        let name = format!("lakehouse_lake_store_requests_total memory {what}");
        sums.get(&name).copied().unwrap_or_default()
    };
    assert_eq!(request("put ok"), 1, "{sums:#?}");
    assert_eq!(request("put_if_absent exists"), 1);
    assert_eq!(request("get ok"), 2);
    assert_eq!(request("get absent"), 1);
    assert_eq!(request("head ok"), 1);
    assert_eq!(request("list ok"), 1);
    assert_eq!(request("list cancelled"), 1);
    assert_eq!(request("start_upload ok"), 1);
    assert_eq!(request("upload_part ok"), 1);
    assert_eq!(request("complete_upload ok"), 1);
    assert_eq!(request("delete ok"), 1);
    assert_eq!(sums["lakehouse_lake_store_read_bytes_total memory"], 5 + 3);
    assert_eq!(
        sums["lakehouse_lake_store_written_bytes_total memory"],
        5 + 7
    );
    assert_eq!(sums["lakehouse_lake_store_request_seconds memory get"], 3);
}
