//! Carriers, airports and distances, kept between requests.
//!
//! ```text
//! recent   what is kept, if it was compared with the tables within the last minute
//! fresh    compared now: a table with another version is read again
//! ```
//!
//! A form is accepted by what is recent and refused only by what is fresh, so that a new airport is known at once
//! and the usual request reads nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use lake::{AsOf, TableName};
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::app::App;
use super::distance::{Position, great_circle_miles};
use super::error::PageError;

/// What is kept is compared with the tables this often; distances are not read more often.
const RECHECK_AFTER: Duration = Duration::from_secs(60);

/// A code and what it stands for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Choice {
    /// For example `UA` or `JFK`.
    pub(super) code: String,
    /// Full name.
    pub(super) name: Option<String>,
}

/// What the forms know; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Lookups {
    names: Arc<Names>,
    routes: Arc<Routes>,
}

#[derive(Debug, Default)]
struct Names {
    airlines: BTreeMap<String, Option<String>>,
    airports: BTreeMap<String, Airport>,
}

#[derive(Debug, Deserialize)]
struct Airport {
    code: String,
    name: Option<String>,
    lat: Option<f64>,
    lon: Option<f64>,
}

/// Miles by origin and destination.
#[derive(Debug, Default)]
struct Routes {
    miles: BTreeMap<String, BTreeMap<String, f64>>,
}

#[derive(Debug, Deserialize)]
struct Route {
    origin: String,
    dest: String,
    miles: f64,
}

impl Lookups {
    /// Returns whether there is such a carrier.
    pub(super) fn has_airline(&self, code: &str) -> bool {
        self.names.airlines.contains_key(code)
    }

    /// Returns whether there is such an airport, or a flight there: a few destinations are in no list.
    pub(super) fn has_airport(&self, code: &str) -> bool {
        let mut routes = self.routes.miles.iter();
        self.names.airports.contains_key(code)
            || routes.any(|(origin, to)| origin == code || to.contains_key(code))
    }

    /// Returns the distance as flown, else over the globe, in miles.
    pub(super) fn miles(&self, origin: &str, dest: &str) -> Option<f64> {
        let flown = |from: &str, to: &str| self.routes.miles.get(from)?.get(to).copied();
        flown(origin, dest)
            .or_else(|| flown(dest, origin))
            .or_else(|| {
                let (from, to) = (self.position(origin)?, self.position(dest)?);
                Some(great_circle_miles(from, to))
            })
    }

    /// Returns all carriers.
    pub(super) fn airlines(&self) -> Vec<Choice> {
        let choice = |(code, name): (&String, &Option<String>)| Choice {
            code: code.clone(),
            name: name.clone(),
        };
        self.names.airlines.iter().map(choice).collect()
    }

    /// Returns the airports that flights leave from; all of them while there is no flight.
    pub(super) fn origins(&self) -> Vec<Choice> {
        self.choices(self.routes.miles.keys())
    }

    /// Returns the airports that flights lead to; all of them while there is no flight.
    pub(super) fn destinations(&self) -> Vec<Choice> {
        let mut codes: Vec<&String> = self
            .routes
            .miles
            .values()
            .flat_map(BTreeMap::keys)
            .collect();
        codes.sort_unstable();
        codes.dedup();
        self.choices(codes.into_iter())
    }

    fn choices<'a>(&self, codes: impl Iterator<Item = &'a String>) -> Vec<Choice> {
        let named = |code: &String| Choice {
            code: code.clone(),
            name: self
                .names
                .airports
                .get(code)
                .and_then(|airport| airport.name.clone()),
        };
        let choices: Vec<Choice> = codes.map(named).collect();
        if choices.is_empty() {
            return self.names.airports.keys().map(named).collect();
        }
        choices
    }

    fn position(&self, code: &str) -> Option<Position> {
        let airport = self.names.airports.get(code)?;
        Some(Position {
            latitude: airport.lat?,
            longitude: airport.lon?,
        })
    }
}

/// The lookups of one house.
#[derive(Debug, Default)]
pub(super) struct LookupCache {
    kept: RwLock<Option<Kept>>,
    /// One request reads, the others wait for it.
    reading: tokio::sync::Mutex<()>,
}

#[derive(Debug, Clone)]
struct Kept {
    lookups: Lookups,
    name_versions: [u64; 2],
    routes_version: u64,
    routes_read_at: Instant,
    compared_at: Instant,
}

impl LookupCache {
    /// Returns what is kept, read again if it was not compared with the tables for a while.
    ///
    /// # Errors
    /// The lake cannot be read.
    pub(super) async fn recent(&self, app: &App) -> Result<Lookups, PageError> {
        let kept = self.kept().filter(|kept| {
            let is_recent = kept.compared_at.elapsed() < RECHECK_AFTER;
            // Without flights there are no distances as flown: they may come at any moment.
            is_recent && !kept.lookups.routes.miles.is_empty()
        });
        match kept {
            Some(kept) => Ok(kept.lookups),
            None => self.fresh(app).await,
        }
    }

    /// Returns what the newest versions of the tables say; distances may lag behind.
    ///
    /// # Errors
    /// The lake cannot be read.
    pub(super) async fn fresh(&self, app: &App) -> Result<Lookups, PageError> {
        let _reading = self.reading.lock().await;
        let kept = self.kept();
        let name_versions = [
            version(app, "airlines").await?,
            version(app, "airports").await?,
        ];
        let routes_version = version(app, "flights").await?;
        let names = match &kept {
            Some(kept) if kept.name_versions == name_versions => Arc::clone(&kept.lookups.names),
            _ => Arc::new(read_names(app).await?),
        };
        let known_routes = kept.filter(|kept| {
            kept.routes_version == routes_version
                || (kept.routes_read_at.elapsed() < RECHECK_AFTER
                    && !kept.lookups.routes.miles.is_empty())
        });
        let now = Instant::now();
        let (routes, routes_version, routes_read_at) = match known_routes {
            Some(kept) => (
                Arc::clone(&kept.lookups.routes),
                kept.routes_version,
                kept.routes_read_at,
            ),
            None => (Arc::new(read_routes(app).await?), routes_version, now),
        };
        let lookups = Lookups { names, routes };
        *self.kept.write() = Some(Kept {
            lookups: lookups.clone(),
            name_versions,
            routes_version,
            routes_read_at,
            compared_at: now,
        });
        Ok(lookups)
    }

    fn kept(&self) -> Option<Kept> {
        self.kept.read().clone()
    }
}

async fn version(app: &App, table: &str) -> Result<u64, PageError> {
    let name = TableName::new("flights", table)?;
    let table = app.web.engine.lake().table(&name).await?;
    Ok(table.snapshot(AsOf::Latest).await?.version())
}

async fn read_names(app: &App) -> Result<Names, PageError> {
    let airlines: Vec<Choice> = app.rows("pages/lookup_airlines", &[]).await?;
    let airports: Vec<Airport> = app.rows("pages/lookup_airports", &[]).await?;
    let by_code = |airport: Airport| (airport.code.clone(), airport);
    Ok(Names {
        airlines: airlines.into_iter().map(|a| (a.code, a.name)).collect(),
        airports: airports.into_iter().map(by_code).collect(),
    })
}

async fn read_routes(app: &App) -> Result<Routes, PageError> {
    let mut routes = Routes::default();
    for route in app.rows::<Route>("pages/lookup_routes", &[]).await? {
        let from = routes.miles.entry(route.origin).or_default();
        from.insert(route.dest, route.miles);
    }
    Ok(routes)
}

#[cfg(test)]
impl Lookups {
    /// Returns lookups with the carriers `UA` and `AA`, one route and two airports without one.
    pub(super) fn sample() -> Self {
        let airport = |code: &str, lat: f64, lon: f64| {
            let airport = Airport {
                code: code.to_owned(),
                name: Some(format!("{code} airport")),
                lat: Some(lat),
                lon: Some(lon),
            };
            (code.to_owned(), airport)
        };
        let airlines = ["UA", "AA"].map(|code| (code.to_owned(), None));
        let airports = [
            airport("JFK", 40.64, -73.78),
            airport("LAX", 33.94, -118.41),
            airport("SEA", 47.45, -122.31),
        ];
        let to = [("LAX", 2475.0), ("SJU", 1598.0)].map(|(code, miles)| (code.to_owned(), miles));
        Self {
            names: Arc::new(Names {
                airlines: airlines.into(),
                airports: airports.into(),
            }),
            routes: Arc::new(Routes {
                miles: [("JFK".to_owned(), to.into())].into(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flown_distance_wins_over_the_globe() {
        let lookups = Lookups::sample();
        assert_eq!(lookups.miles("JFK", "LAX"), Some(2475.0));
        assert_eq!(lookups.miles("LAX", "JFK"), Some(2475.0));
        let miles = lookups.miles("JFK", "SEA").unwrap();
        assert!((miles - 2418.0).abs() < 10.0, "{miles}");
        assert_eq!(lookups.miles("SEA", "SJU"), None);
    }

    #[test]
    fn airports_are_offered_as_they_are_flown() {
        let codes = |choices: Vec<Choice>| {
            let codes: Vec<String> = choices.into_iter().map(|choice| choice.code).collect();
            codes.join(" ")
        };
        let lookups = Lookups::sample();
        assert_eq!(codes(lookups.origins()), "JFK");
        assert_eq!(codes(lookups.destinations()), "LAX SJU");
        let unflown = Lookups {
            routes: Arc::default(),
            ..lookups
        };
        assert_eq!(codes(unflown.destinations()), "JFK LAX SEA");
        assert!(!unflown.has_airport("SJU"));
    }
}
