//! Methods about everything that the lake has none of, and about the metastore itself.

use hive_metastore as hms;
use pilota::FastStr;
use pilota::thrift::Message;

use super::arguments;
use super::failure::{Failure, Result};
use super::reply::Object;
use super::wire::Fields;

/// The one role, which everybody has.
const PUBLIC: FastStr = FastStr::from_static_str("public");
/// `fb_status.ALIVE` of fb303.
pub(super) const ALIVE: i32 = 2;

/// `set_ugi`: there is no login, so a user is in the groups that it says.
pub(super) fn set_ugi(arguments: &Fields) -> Result<Vec<FastStr>> {
    let user = arguments::text(arguments, 1)?;
    Ok(match arguments.texts(2) {
        Some(groups) if !groups.is_empty() => groups,
        _ => vec![user],
    })
}

/// `get_config_value`: no setting of Hive is set here, so the client's default is true.
pub(super) fn config_value(arguments: &Fields) -> FastStr {
    arguments.text(2).unwrap_or_default()
}

/// `getMetaConf` and `setMetaConf`.
pub(super) fn meta_conf<T>(arguments: &Fields) -> Result<T> {
    let key = arguments::text(arguments, 1)?;
    Err(Failure::Failed(format!(
        "this metastore has no setting `{key}`"
    )))
}

pub(super) fn column_statistics(arguments: &Fields) -> Result<Object<hms::ColumnStatistics>> {
    let name = arguments::table(arguments, 1, 2)?;
    Err(Failure::ObjectMissing(format!(
        "no column statistics of table `{name}` are kept"
    )))
}

pub(super) fn table_statistics() -> Object<hms::TableStatsResult> {
    Object(hms::TableStatsResult {
        table_stats: Vec::new(),
    })
}

pub(super) fn partitions_statistics() -> Object<hms::PartitionsStatsResult> {
    Object(hms::PartitionsStatsResult {
        part_stats: pilota::AHashMap::default(),
    })
}

pub(super) fn aggregate_statistics() -> Object<hms::AggrStats> {
    Object(hms::AggrStats {
        col_stats: Vec::new(),
        parts_found: 0,
    })
}

pub(super) fn all_functions() -> Object<hms::GetAllFunctionsResponse> {
    Object(hms::GetAllFunctionsResponse {
        functions: Some(Vec::new()),
    })
}

pub(super) fn function(arguments: &Fields) -> Result<Object<hms::Function>> {
    let name = arguments::text(arguments, 2)?;
    Err(Failure::ObjectMissing(format!(
        "function `{name}` does not exist"
    )))
}

pub(super) fn role_names() -> Vec<FastStr> {
    vec![PUBLIC]
}

pub(super) fn roles() -> Vec<Object<hms::Role>> {
    vec![Object(hms::Role {
        role_name: Some(PUBLIC),
        create_time: Some(0),
        owner_name: Some(PUBLIC),
    })]
}

pub(super) fn role_grants() -> Object<hms::GetRoleGrantsForPrincipalResponse> {
    Object(hms::GetRoleGrantsForPrincipalResponse {
        principal_grants: Vec::new(),
    })
}

pub(super) fn privilege_set() -> Object<hms::PrincipalPrivilegeSet> {
    Object(hms::PrincipalPrivilegeSet {
        user_privileges: Some(pilota::AHashMap::default()),
        group_privileges: Some(pilota::AHashMap::default()),
        role_privileges: Some(pilota::AHashMap::default()),
    })
}

pub(super) fn primary_keys() -> Object<hms::PrimaryKeysResponse> {
    Object(hms::PrimaryKeysResponse {
        primary_keys: Vec::new(),
    })
}

pub(super) fn foreign_keys() -> Object<hms::ForeignKeysResponse> {
    Object(hms::ForeignKeysResponse {
        foreign_keys: Vec::new(),
    })
}

/// Returns an empty list of any structures.
pub(super) fn none_of<T: Message>() -> Vec<Object<T>> {
    Vec::new()
}
