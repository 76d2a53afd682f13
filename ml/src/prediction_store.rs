//! Answers and issued requests in MongoDB, with the field names of the original course.
//!
//! ```text
//! flight_delay_ml_request    one document per issued id          unknown id: 404
//! flight_delay_ml_response   one document per answered id        WAIT until it is there
//! ```
//!
//! Both are upserts on a unique `UUID`: a repeated request changes nothing but its own document.

use mongodb::bson::{Bson, Document, doc};
use mongodb::options::{ClientOptions, IndexOptions};
use mongodb::{Client, Collection, IndexModel};
use uuid::Uuid;

use crate::buckets::CLASSES;
use crate::requests::PredictionRequest;
use crate::{Error, MongoConfig, Result};

/// Where answers are kept.
#[derive(Debug, Clone)]
pub struct PredictionStore {
    client: Client,
    database: String,
    answers: Collection<Document>,
    requests: Collection<Document>,
}

/// One answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// What was asked.
    pub request: PredictionRequest,
    /// The most likely arrival-delay bucket.
    pub class: usize,
    /// The probability of each bucket.
    pub probabilities: [f64; CLASSES],
    /// The model that answered.
    pub model_version: u64,
    /// The table version it learned from.
    pub table_version: u64,
}

/// What is known of an id.
#[derive(Debug, Clone, PartialEq)]
pub enum RequestStatus {
    /// It was never issued.
    Unknown,
    /// It was issued; the answer is not there yet.
    Waiting,
    /// The stored answer, without the database's own `_id`.
    Answered(serde_json::Value),
}

impl Prediction {
    /// Returns the answer as a document and as an event.
    ///
    /// # Errors
    /// None that a decoded request can cause.
    pub fn to_json(&self) -> Result<serde_json::Value> {
        let mut value = serde_json::to_value(&self.request).map_err(Error::internal)?;
        if let Some(fields) = value.as_object_mut() {
            fields.insert("Prediction".to_owned(), self.class.into());
            fields.insert(
                "Probabilities".to_owned(),
                self.probabilities.to_vec().into(),
            );
            fields.insert("ModelVersion".to_owned(), self.model_version.into());
            fields.insert("TableVersion".to_owned(), self.table_version.into());
        }
        Ok(value)
    }

    fn to_document(&self) -> Result<Document> {
        let mut document = request_document(&self.request);
        document.insert("Prediction", integer(self.class)?);
        document.insert(
            "Probabilities",
            self.probabilities.map(Bson::Double).to_vec(),
        );
        document.insert("ModelVersion", integer(self.model_version)?);
        document.insert("TableVersion", integer(self.table_version)?);
        Ok(document)
    }
}

impl PredictionStore {
    /// Connects and makes sure that ids are unique.
    ///
    /// # Errors
    /// The address is malformed or nobody answers in time.
    pub async fn connect(config: &MongoConfig) -> Result<Self> {
        let connecting = "connecting";
        let mut options = ClientOptions::parse(&config.uri)
            .await
            .map_err(Error::store(connecting))?;
        options.app_name = Some("lakehouse".to_owned());
        options.connect_timeout = Some(config.timeout);
        options.server_selection_timeout = Some(config.timeout);
        let client = Client::with_options(options).map_err(Error::store(connecting))?;
        let database = client.database(&config.database);
        let store = Self {
            answers: database.collection(&config.collection),
            requests: database.collection(&config.request_collection),
            database: config.database.clone(),
            client,
        };
        for collection in [&store.answers, &store.requests] {
            let unique = IndexOptions::builder()
                .unique(true)
                .name("UUID_1".to_owned())
                .build();
            let index = IndexModel::builder()
                .keys(doc! { "UUID": 1 })
                .options(unique)
                .build();
            collection
                .create_index(index)
                .await
                .map_err(Error::store("creating the index on `UUID`"))?;
        }
        Ok(store)
    }

    /// Asks the server whether it is there.
    ///
    /// # Errors
    /// It does not answer in time.
    pub async fn ping(&self) -> Result<()> {
        let ping = self
            .client
            .database(&self.database)
            .run_command(doc! { "ping": 1 })
            .await;
        ping.map(|_| ()).map_err(Error::store("asking for life"))
    }

    /// Remembers that `request` was issued.
    ///
    /// # Errors
    /// The server does not answer.
    pub async fn record_request(&self, request: &PredictionRequest) -> Result<()> {
        let mut document = request_document(request);
        document.insert("Status", "WAIT");
        let by_id = doc! { "UUID": request.uuid.to_string() };
        let recorded = self
            .requests
            .update_one(by_id, doc! { "$set": document })
            .upsert(true)
            .await;
        recorded
            .map(|_| ())
            .map_err(Error::store("recording a request"))
    }

    /// Returns what is known of an id.
    ///
    /// # Errors
    /// The server does not answer.
    pub async fn status(&self, uuid: Uuid) -> Result<RequestStatus> {
        let reading = "reading an answer";
        let by_id = doc! { "UUID": uuid.to_string() };
        let answer = self
            .answers
            .find_one(by_id.clone())
            .await
            .map_err(Error::store(reading))?;
        if let Some(mut document) = answer {
            document.remove("_id");
            return Ok(RequestStatus::Answered(to_json(Bson::Document(document))));
        }
        let issued = self
            .requests
            .find_one(by_id)
            .await
            .map_err(Error::store(reading))?;
        Ok(issued.map_or(RequestStatus::Unknown, |_| RequestStatus::Waiting))
    }

    /// Stores answers with one command; once it returns, all of them are stored.
    ///
    /// # Errors
    /// The server does not answer or refuses; some of the answers may be stored, and storing them again is harmless.
    pub async fn upsert(&self, predictions: &[Prediction]) -> Result<()> {
        if predictions.is_empty() {
            return Ok(());
        }
        let mut updates = Vec::with_capacity(predictions.len());
        for prediction in predictions {
            let by_id = doc! { "UUID": prediction.request.uuid.to_string() };
            updates.push(
                doc! { "q": by_id, "u": { "$set": prediction.to_document()? }, "upsert": true },
            );
        }
        let command = doc! { "update": self.answers.name(), "updates": updates, "ordered": false };
        let database = self.client.database(&self.database);
        let reply = database.run_command(command).await;
        let reply = reply.map_err(Error::store("storing answers"))?;
        // The driver looks at these only for its own write methods.
        for refusal in ["writeErrors", "writeConcernError"] {
            if let Some(reason) = reply.get(refusal) {
                return Err(Error::NotStored {
                    reason: reason.to_string(),
                });
            }
        }
        Ok(())
    }
}

/// The fields are written out, and not left to serde, because a document's types are part of the contract:
/// integers as 32 bit, the date and the id as text.
fn request_document(request: &PredictionRequest) -> Document {
    doc! {
        "Origin": &request.origin,
        "Dest": &request.dest,
        "Route": &request.route,
        "Carrier": &request.carrier,
        "FlightDate": request.flight_date.to_string(),
        "FlightNum": &request.flight_num,
        "DayOfWeek": request.day_of_week.cast_signed(),
        "DayOfYear": request.day_of_year.cast_signed(),
        "DayOfMonth": request.day_of_month.cast_signed(),
        "DepDelay": request.dep_delay,
        "Distance": request.distance,
        "Timestamp": &request.timestamp,
        "UUID": request.uuid.to_string(),
    }
}

/// A small number stays a 32-bit integer, as the original course stores it.
fn integer(value: impl TryInto<i64>) -> Result<Bson> {
    let value: i64 = value
        .try_into()
        .map_err(|_| Error::internal("a number beyond 64 bits"))?;
    Ok(i32::try_from(value).map_or(Bson::Int64(value), Bson::Int32))
}

/// Returns the plain JSON of what we store; a type that only others write becomes its text.
fn to_json(value: Bson) -> serde_json::Value {
    match value {
        Bson::Document(document) => document
            .into_iter()
            .map(|(name, value)| (name, to_json(value)))
            .collect(),
        Bson::Array(values) => values.into_iter().map(to_json).collect(),
        Bson::String(text) => text.into(),
        Bson::Int32(number) => number.into(),
        Bson::Int64(number) => number.into(),
        Bson::Double(number) => number.into(),
        Bson::Boolean(flag) => flag.into(),
        Bson::Null => serde_json::Value::Null,
        other => other.to_string().into(),
    }
}
