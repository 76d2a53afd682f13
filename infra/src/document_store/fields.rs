//! A command taken apart field by field, so that what nobody took is refused instead of ignored.

use mongodb::bson::{Bson, Document};

use super::failure::{Failure, Result};
use super::shape::as_whole;

/// The fields of one command or of one statement within it.
#[derive(Debug)]
pub(super) struct Fields {
    owner: String,
    fields: Document,
}

impl Fields {
    pub(super) fn new(owner: impl Into<String>, fields: Document) -> Self {
        Self {
            owner: owner.into(),
            fields,
        }
    }

    pub(super) fn take(&mut self, name: &str) -> Option<Bson> {
        self.fields.remove(name)
    }

    pub(super) fn take_bool(&mut self, name: &str) -> Result<Option<bool>> {
        match self.take(name) {
            None => Ok(None),
            Some(Bson::Boolean(flag)) => Ok(Some(flag)),
            Some(number) => match as_whole(&number) {
                Some(number) => Ok(Some(number != 0)),
                None => Err(Failure::wrong_type(name, "a boolean")),
            },
        }
    }

    /// Takes a number that counts something.
    pub(super) fn take_count(&mut self, name: &str) -> Result<Option<usize>> {
        let whole =
            |number: Bson| as_whole(&number).and_then(|number| usize::try_from(number).ok());
        let count = |number| {
            whole(number).ok_or_else(|| Failure::wrong_type(name, "a whole number, not negative"))
        };
        self.take(name).map(count).transpose()
    }

    pub(super) fn take_text(&mut self, name: &str) -> Result<Option<String>> {
        match self.take(name) {
            None => Ok(None),
            Some(Bson::String(text)) => Ok(Some(text)),
            Some(_) => Err(Failure::wrong_type(name, "a string")),
        }
    }

    pub(super) fn take_document(&mut self, name: &str) -> Result<Option<Document>> {
        match self.take(name) {
            None => Ok(None),
            Some(Bson::Document(document)) => Ok(Some(document)),
            Some(_) => Err(Failure::wrong_type(name, "a document")),
        }
    }

    pub(super) fn take_documents(&mut self, name: &str) -> Result<Vec<Document>> {
        let Some(Bson::Array(items)) = self.take(name) else {
            return Err(Failure::wrong_type(name, "an array of documents"));
        };
        let document = |item| match item {
            Bson::Document(document) => Ok(document),
            _ => Err(Failure::wrong_type(name, "an array of documents")),
        };
        items.into_iter().map(document).collect()
    }

    pub(super) fn require_document(&mut self, name: &str) -> Result<Document> {
        self.take_document(name)?
            .ok_or_else(|| Failure::missing(&self.owner, name))
    }

    /// Takes the fields that surround every command and change nothing here; those that would are refused.
    pub(super) fn take_envelope(&mut self) -> Result<()> {
        if ["txnNumber", "startTransaction", "autocommit"]
            .into_iter()
            .any(|name| self.take(name).is_some())
        {
            return Err(Failure::transactions());
        }
        for harmless in ["lsid", "$clusterTime", "$readPreference", "comment"] {
            self.take(harmless);
        }
        if let Some(concern) = self.take_document("writeConcern")? {
            let mut concern = Self::new("writeConcern", concern);
            match concern.take("w") {
                None => {}
                Some(Bson::String(majority)) if majority == "majority" => {}
                Some(number) if matches!(as_whole(&number), Some(0 | 1)) => {}
                Some(other) => {
                    return Err(Failure::not_supported(format!(
                        "write concern {other} on one node"
                    )));
                }
            }
            // Every write is on disk before its answer, within one node.
            concern.take("j");
            concern.take("wtimeout");
            concern.finish()?;
        }
        if let Some(concern) = self.take_document("readConcern")? {
            let mut concern = Self::new("readConcern", concern);
            match concern.take_text("level")?.as_deref() {
                None | Some("local" | "available" | "majority" | "linearizable") => {}
                Some(other) => {
                    return Err(Failure::not_supported(format!("read concern `{other}`")));
                }
            }
            concern.take("afterClusterTime");
            concern.finish()?;
        }
        Ok(())
    }

    /// Fails if a field is left that nobody understood.
    pub(super) fn finish(self) -> Result<()> {
        match self.fields.keys().next() {
            None => Ok(()),
            Some(left) => Err(Failure::not_supported(format!(
                "the option `{left}` of `{}`",
                self.owner
            ))),
        }
    }
}
