//! What can go wrong between a source and a table.

/// The result of an ingestion step.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of ingestion.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file cannot be read.
    #[error("cannot read `{file}`: {reason}")]
    File {
        /// The file.
        file: String,
        /// What is wrong, with the row where it is known.
        reason: String,
    },
    /// A file's columns do not fit the table.
    #[error("`{file}` does not fit table `{table}`: {reason}")]
    Columns {
        /// The file.
        file: String,
        /// The table.
        table: lake::TableName,
        /// The first difference.
        reason: String,
    },
    /// Another process keeps loading the same source.
    #[error("another process is loading `{source_id}` into table `{table}`")]
    Contended {
        /// The source.
        source_id: String,
        /// The table.
        table: lake::TableName,
    },
    /// Kafka did not do what we asked.
    #[error("{action} `{topic}` at `{brokers}` failed")]
    Kafka {
        /// What we were doing.
        action: &'static str,
        /// The topic.
        topic: String,
        /// Bootstrap servers.
        brokers: String,
        /// librdkafka's answer.
        #[source]
        source: Box<rdkafka::error::KafkaError>,
    },
    /// No broker answered.
    #[error("no Kafka broker answers at `{brokers}`: {reason}")]
    NoBroker {
        /// Bootstrap servers.
        brokers: String,
        /// librdkafka's words.
        reason: String,
    },
    /// A table's columns cannot be filled from JSON.
    #[error("table `{table}` cannot be filled from JSON events: {reason}")]
    Undecodable {
        /// The table.
        table: lake::TableName,
        /// What arrow-json says.
        reason: String,
    },
    /// Another process stored records of the same partitions; reading starts again behind them.
    #[error("another process stored records of topic `{topic}` in table `{table}` meanwhile")]
    Overtaken {
        /// The topic.
        topic: String,
        /// The table.
        table: lake::TableName,
    },
    /// Replayed rows were sent and do not arrive.
    #[error(
        "rows replayed on topic `{topic}` do not arrive in table `{table}`: {stored} of {sent} are stored"
    )]
    Stalled {
        /// The topic.
        topic: String,
        /// The table.
        table: lake::TableName,
        /// Rows stored.
        stored: u64,
        /// Rows sent, counted from the first of the recording.
        sent: u64,
    },
    /// The lake refused.
    #[error(transparent)]
    Lake(#[from] lake::Error),
    /// A bug of ours.
    #[error("internal error in ingest: {message}; please report this")]
    Internal {
        /// What we did not expect.
        message: String,
    },
}

impl Error {
    /// Returns a constructor for errors of one Kafka request.
    pub(crate) fn kafka<'a>(
        action: &'static str,
        topic: &'a str,
        brokers: &'a str,
    ) -> impl FnOnce(rdkafka::error::KafkaError) -> Self + 'a {
        move |source| Self::Kafka {
            action,
            topic: topic.to_owned(),
            brokers: brokers.to_owned(),
            source: Box::new(source),
        }
    }

    pub(crate) fn internal(message: impl std::fmt::Display) -> Self {
        Self::Internal {
            message: message.to_string(),
        }
    }
}
