//! What all handlers share, and how a page becomes an answer.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use minijinja::value::{Serde, Value};
use minijinja::{Environment, context};
use query::{SqlFile, SqlLibrary};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Web;
use super::bind::{Literal, bind};
use super::decode::decode;
use super::error::PageError;
use super::lookups::LookupCache;
use super::templates;
use crate::telemetry::chain;

/// A page that cannot be read within this time is answered with an error.
const PAGE_DEADLINE: Duration = Duration::from_secs(15);

/// The state of the router.
#[derive(Debug)]
pub(super) struct App {
    pub(super) web: Web,
    pub(super) lookups: LookupCache,
    templates: Environment<'static>,
    library: Option<SqlLibrary>,
}

/// A rendered page.
#[derive(Debug)]
pub(super) struct Page {
    status: StatusCode,
    html: String,
}

impl Page {
    /// Returns the page with another status than 200.
    pub(super) fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }
}

impl App {
    /// Returns the state; what cannot be built is logged, and the pages that need it answer with an error.
    pub(super) fn new(web: Web) -> Self {
        let mut templates = match templates::build() {
            Ok(templates) => templates,
            Err(error) => {
                tracing::error!(error = %chain(&error), "templates cannot be built");
                Environment::new()
            }
        };
        templates.add_global("flights_on", web.flights);
        let library = match SqlLibrary::load() {
            Ok(library) => Some(library),
            Err(error) => {
                tracing::error!(error = %chain(&error), "sql files cannot be loaded");
                None
            }
        };
        Self {
            web,
            lookups: LookupCache::default(),
            templates,
            library,
        }
    }

    /// Renders a template; `data` is what it sees as `page`.
    ///
    /// # Errors
    /// The template is missing or wrong.
    pub(super) fn render<T: Serialize>(&self, name: &str, data: &T) -> Result<Page, PageError> {
        let template = self.templates.get_template(name)?;
        let html = template.render(context! { page => Value::from(Serde(data)) })?;
        Ok(Page {
            status: StatusCode::OK,
            html,
        })
    }

    /// Turns a page or its failure into an answer; failures are logged here.
    pub(super) fn answer(&self, page: Result<Page, PageError>) -> Response {
        let error = match page {
            Ok(page) => return (page.status, Html(page.html)).into_response(),
            Err(error) => error,
        };
        error.log();
        let status = error.status();
        match self.render("error.html", &error.notice()) {
            Ok(page) => (status, Html(page.html)).into_response(),
            Err(error) => {
                error.log();
                (status, "this page cannot be shown").into_response()
            }
        }
    }

    /// Returns the files under `sql/`.
    pub(super) fn sql_files<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = &'a SqlFile> {
        self.library
            .iter()
            .flat_map(move |library| library.folder(folder))
    }

    /// Runs a file of `sql/pages` and returns its rows.
    ///
    /// # Errors
    /// The query fails or takes too long.
    pub(super) async fn rows<T: DeserializeOwned>(
        &self,
        name: &'static str,
        values: &[(&str, Literal)],
    ) -> Result<Vec<T>, PageError> {
        let file = self
            .sql_files("pages")
            .find(|file| file.name == name)
            .ok_or(PageError::SqlFile { name })?;
        let sql = bind(&file.sql, values);
        let running = Box::pin(self.web.engine.collect(&sql));
        let batches = tokio::time::timeout(PAGE_DEADLINE, running)
            .await
            .map_err(|_| PageError::Deadline { name })?
            .map_err(|source| PageError::Query {
                name,
                source: Box::new(source),
            })?;
        decode(&batches).map_err(|source| PageError::Rows { name, source })
    }
}
