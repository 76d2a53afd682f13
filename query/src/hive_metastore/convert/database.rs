//! Databases.

use hive_metastore as hms;
use lake::Database;

use super::{Locations, not_empty, parameters, text};
use crate::hive_metastore::arguments;
use crate::hive_metastore::failure::Result;
use crate::hive_metastore::wire::Fields;

/// Returns a database as clients see it.
pub(in crate::hive_metastore) fn database_of(
    database: &Database,
    locations: &Locations,
) -> hms::Database {
    let location = locations.of_database(database);
    hms::Database {
        name: Some(text(&database.name)),
        description: Some(text(database.comment.as_deref().unwrap_or_default())),
        location_uri: Some(text(&location)),
        parameters: Some(parameters(&database.properties)),
        owner_name: Some(text(database.owner.as_deref().unwrap_or_default())),
        owner_type: Some(hms::PrincipalType::USER),
        ..hms::Database::default()
    }
}

/// Returns the database that a client sent.
pub(in crate::hive_metastore) fn database_from(
    fields: &Fields,
    locations: &Locations,
) -> Result<Database> {
    let name = arguments::database(fields, 1)?;
    let location = not_empty(fields.text(3))
        .map(|location| locations.inward(&location))
        .transpose()?;
    let mut database = Database {
        name,
        comment: not_empty(fields.text(2)),
        properties: fields.map(4),
        location,
        owner: not_empty(fields.text(6)),
    };
    // What we would say anyway is not written down, so that the lake can be moved.
    let said = database.location.as_deref().map(str::to_owned);
    let own = locations.of_database(&Database::named(database.name.as_str()));
    if said.is_some_and(|said| locations.same(&said, &own)) {
        database.location = None;
    }
    Ok(database)
}
