//! What can go wrong between a table version and a stored prediction.

use mongodb::error::ErrorKind;

/// The result of a step of training or prediction.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of training or prediction; the cause is in `source`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The training rows could not be read.
    #[error("reading training rows with `{sql_name}` failed")]
    TrainingQuery {
        /// The SQL file.
        sql_name: String,
        /// The engine's answer.
        #[source]
        source: Box<query::Error>,
    },
    /// The lake refused.
    #[error("{action} failed")]
    Lake {
        /// What we were doing.
        action: &'static str,
        /// The lake's answer.
        #[source]
        source: Box<lake::Error>,
    },
    /// The SQL file cannot be used for training.
    #[error("sql file `{sql_name}` cannot be trained from: {reason}")]
    TrainingSql {
        /// The SQL file.
        sql_name: String,
        /// What it lacks.
        reason: String,
    },
    /// A column is missing, or of a type that cannot be used.
    #[error("training column `{column}` cannot be used: {reason}")]
    TrainingColumn {
        /// The column.
        column: String,
        /// What is wrong.
        reason: String,
    },
    /// There is too little to learn from.
    #[error("there is too little to learn from: {reason}")]
    NotEnoughData {
        /// What is missing.
        reason: String,
    },
    /// The learner gave up.
    #[error("fitting the model failed: {reason}")]
    Fit {
        /// What the learner said.
        reason: String,
    },
    /// The registry's store did not do what we asked.
    #[error("{action} `{path}` failed")]
    RegistryStore {
        /// What we were doing.
        action: &'static str,
        /// The object.
        path: String,
        /// The store's answer.
        #[source]
        source: object_store::Error,
    },
    /// There is no such model.
    #[error("model {model} does not exist; there is {known:?}")]
    ModelNotFound {
        /// The number asked for.
        model: u64,
        /// The numbers that exist.
        known: Vec<u64>,
    },
    /// A stored model or card cannot be read.
    #[error("`{path}` is damaged: {reason}")]
    DamagedModel {
        /// The object.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// A model that is no better than the majority class is not served.
    #[error(
        "model {model} is not promoted: its accuracy {accuracy:.4} and log-loss {log_loss:.4} do not beat \
         the majority class with {majority_accuracy:.4} and {majority_log_loss:.4}"
    )]
    WorseThanBaseline {
        /// The model.
        model: u64,
        /// Its accuracy on the test days.
        accuracy: f64,
        /// Its log-loss on the test days.
        log_loss: f64,
        /// What always answering the most frequent class reaches.
        majority_accuracy: f64,
        /// Log-loss of answering the class shares.
        majority_log_loss: f64,
    },
    /// Other publishers keep taking the next number.
    #[error("{action} lost too many races against other publishers")]
    RegistryContended {
        /// What we were doing.
        action: &'static str,
    },
    /// The prediction store did not answer as it should.
    #[error("{action} in the prediction store failed")]
    PredictionStore {
        /// What we were doing.
        action: &'static str,
        /// The driver's answer.
        #[source]
        source: Box<mongodb::error::Error>,
    },
    /// There is no prediction store.
    #[error("{action} failed: no MongoDB server answers")]
    NoPredictionStore {
        /// What we were doing.
        action: &'static str,
    },
    /// The prediction store took the command and refused answers in it.
    #[error("the prediction store did not store all answers: {reason}")]
    NotStored {
        /// The server's words.
        reason: String,
    },
    /// Kafka did not answer as it should.
    #[error("{action} on topic `{topic}` failed")]
    Kafka {
        /// What we were doing.
        action: &'static str,
        /// The topic.
        topic: String,
        /// The client's answer.
        #[source]
        source: rdkafka::error::KafkaError,
    },
    /// A topic is not there and cannot be created.
    #[error("preparing topic `{topic}` failed")]
    Topic {
        /// The topic.
        topic: String,
        /// What Kafka answered.
        #[source]
        source: Box<ingest::Error>,
    },
    /// A request holds something that is not a flight.
    #[error("`{field}` of the prediction request is not valid: {reason}")]
    InvalidRequest {
        /// The field, by its name in the request.
        field: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A bug of ours.
    #[error("internal error in ml: {message}; please report this")]
    Internal {
        /// What we did not expect.
        message: String,
    },
}

impl Error {
    pub(crate) fn store(action: &'static str) -> impl FnOnce(mongodb::error::Error) -> Self {
        move |source| match *source.kind {
            // Its text lists all that the driver knows of the servers.
            ErrorKind::ServerSelection { .. } => Self::NoPredictionStore { action },
            _ => Self::PredictionStore {
                action,
                source: Box::new(source),
            },
        }
    }

    pub(crate) fn lake(action: &'static str) -> impl FnOnce(lake::Error) -> Self {
        move |source| Self::Lake {
            action,
            source: Box::new(source),
        }
    }

    pub(crate) fn internal(message: impl std::fmt::Display) -> Self {
        Self::Internal {
            message: message.to_string(),
        }
    }
}
