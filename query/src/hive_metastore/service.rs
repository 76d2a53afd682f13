//! Which method is what, and which exceptions its result can have.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use hive_metastore as hms;
use lake::Lake;
use pilota::FastStr;
use tracing::debug;

use super::about;
use super::config::HiveMetastoreConfig;
use super::convert::Locations;
use super::failure::{Declared, Result};
use super::partitions::{has_valid_characters, name_to_spec, name_to_values, refuse_expression};
use super::reply::{Object, Reply};
use super::wire::Fields;

use Declared::{
    AlreadyExists, ConfigValSecurity, InvalidInput, InvalidObject, InvalidOperation, Meta,
    NoSuchObject, UnknownDb, UnknownTable,
};

/// The metastore of one lake.
#[derive(Debug)]
pub(super) struct Metastore {
    pub(super) lake: Arc<Lake>,
    pub(super) locations: Locations,
    started: DateTime<Utc>,
}

impl Metastore {
    pub(super) fn new(lake: Arc<Lake>, config: &HiveMetastoreConfig) -> Self {
        let locations = Locations::new(lake.storage(), &config.s3_scheme);
        Self {
            lake,
            locations,
            started: Utc::now(),
        }
    }

    /// Returns the time that new things get.
    pub(super) fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    /// Checks that a table or partition may be at a location.
    pub(super) fn check_location(&self, location: &str) -> Result<()> {
        let storage = self.lake.storage();
        // The lake's own are relative.
        match location.contains("://") {
            true => storage.external_url(location)?,
            false => storage.table_url(location)?,
        };
        Ok(())
    }

    /// Carries out a request. A method that we do not have is refused by its name.
    pub(super) async fn answer(&self, method: &str, arguments: &Fields) -> Reply {
        debug!(method, "metastore request");
        if let Some(reply) = self.about_databases(method, arguments).await {
            return reply;
        }
        if let Some(reply) = self.about_tables(method, arguments).await {
            return reply;
        }
        if let Some(reply) = self.about_partitions(method, arguments).await {
            return reply;
        }
        if method == "get_current_notificationEventId" {
            return Reply::of(self.current_event().await, &[]);
        }
        self.about_the_rest(method, arguments)
    }

    /// Returns how often the catalog changed: a client that asks again knows whether it did.
    async fn current_event(&self) -> Result<Object<hms::CurrentNotificationEventId>> {
        let changes = self.lake.catalog().changes().await?;
        Ok(Object(hms::CurrentNotificationEventId {
            event_id: i64::try_from(changes).unwrap_or(i64::MAX),
        }))
    }

    async fn about_databases(&self, method: &str, a: &Fields) -> Option<Reply> {
        Some(match method {
            "get_all_databases" => Reply::of(self.get_all_databases().await, &[Meta]),
            "get_databases" => Reply::of(self.get_databases(a).await, &[Meta]),
            "get_database" => Reply::of(self.get_database(a).await, &[NoSuchObject, Meta]),
            "create_database" => Reply::of(
                self.create_database(a).await,
                &[AlreadyExists, InvalidObject, Meta],
            ),
            "drop_database" => Reply::of(
                self.drop_database(a).await,
                &[NoSuchObject, InvalidOperation, Meta],
            ),
            "alter_database" => Reply::of(self.alter_database(a).await, &[Meta, NoSuchObject]),
            _ => return None,
        })
    }

    async fn about_tables(&self, method: &str, a: &Fields) -> Option<Reply> {
        let created = [AlreadyExists, InvalidObject, Meta, NoSuchObject];
        let listed = [Meta, InvalidOperation, UnknownDb];
        let described = [Meta, UnknownTable, UnknownDb];
        Some(match method {
            "get_table" => Reply::of(self.get_table(a).await, &[Meta, NoSuchObject]),
            "get_table_req" => Reply::of(self.get_table_req(a).await, &[Meta, NoSuchObject]),
            "get_table_objects_by_name" => Reply::of(self.get_tables_by_name(a).await, &listed),
            "get_table_objects_by_name_req" => {
                Reply::of(self.get_tables_by_name_req(a).await, &listed)
            }
            "get_table_names_by_filter" => {
                Reply::of(self.get_table_names_by_filter(a).await, &listed)
            }
            "get_tables" => Reply::of(self.get_tables(a).await, &[Meta]),
            "get_tables_by_type" => Reply::of(self.get_tables_by_type(a).await, &[Meta]),
            "get_table_meta" => Reply::of(self.get_table_meta(a).await, &[Meta]),
            "get_all_tables" => Reply::of(self.get_all_tables(a).await, &[Meta]),
            "get_fields" | "get_fields_with_environment_context" => {
                Reply::of(self.get_fields(a).await, &described)
            }
            "get_schema" | "get_schema_with_environment_context" => {
                Reply::of(self.get_schema(a).await, &described)
            }
            "create_table" | "create_table_with_environment_context" => {
                Reply::of(self.create_table(a).await, &created)
            }
            "create_table_with_constraints" => {
                Reply::of(self.create_table_with_constraints(a).await, &created)
            }
            "drop_table" | "drop_table_with_environment_context" => {
                Reply::of(self.drop_table(a).await, &[NoSuchObject, Meta])
            }
            "alter_table" | "alter_table_with_environment_context" | "alter_table_with_cascade" => {
                Reply::of(self.alter_table(a).await, &[InvalidOperation, Meta])
            }
            _ => return None,
        })
    }

    async fn about_partitions(&self, method: &str, a: &Fields) -> Option<Reply> {
        let added = [InvalidObject, AlreadyExists, Meta];
        let dropped = [NoSuchObject, Meta];
        let found = [Meta, NoSuchObject];
        let altered = [InvalidOperation, Meta];
        Some(match method {
            "get_partition" | "get_partition_with_auth" => {
                Reply::of(self.get_partition(a).await, &found)
            }
            "get_partition_by_name" => Reply::of(self.get_partition_by_name(a).await, &found),
            "get_partitions" | "get_partitions_with_auth" => {
                Reply::of(self.get_partitions(a).await, &[NoSuchObject, Meta])
            }
            "get_partitions_ps" => Reply::of(self.get_partitions_ps(a).await, &found),
            "get_partitions_ps_with_auth" => {
                Reply::of(self.get_partitions_ps(a).await, &[NoSuchObject, Meta])
            }
            "get_partitions_by_names" => Reply::of(self.get_partitions_by_names(a).await, &found),
            "get_partitions_by_filter" => Reply::of(self.get_partitions_by_filter(a).await, &found),
            "get_partitions_by_expr" => Reply::of(refuse_expression(), &found),
            "get_num_partitions_by_filter" => {
                Reply::of(self.get_num_partitions_by_filter(a).await, &found)
            }
            "get_partitions_pspec" => {
                Reply::of(self.get_partitions_pspec(a).await, &[NoSuchObject, Meta])
            }
            "get_part_specs_by_filter" => Reply::of(self.get_part_specs_by_filter(a).await, &found),
            "get_partition_names" => Reply::of(self.get_partition_names(a).await, &[Meta]),
            "get_partition_names_ps" => Reply::of(self.get_partition_names_ps(a).await, &found),
            "get_partition_values" => Reply::of(self.get_partition_values(a).await, &found),
            "add_partition" | "add_partition_with_environment_context" => {
                Reply::of(self.add_partition(a).await, &added)
            }
            "add_partitions" => Reply::of(self.add_partitions(a).await, &added),
            "add_partitions_req" => Reply::of(self.add_partitions_req(a).await, &added),
            "append_partition" | "append_partition_with_environment_context" => {
                Reply::of(self.append_partition(a).await, &added)
            }
            "append_partition_by_name" | "append_partition_by_name_with_environment_context" => {
                Reply::of(self.append_partition_by_name(a).await, &added)
            }
            "drop_partition" | "drop_partition_with_environment_context" => {
                Reply::of(self.drop_partition(a).await, &dropped)
            }
            "drop_partition_by_name" | "drop_partition_by_name_with_environment_context" => {
                Reply::of(self.drop_partition_by_name(a).await, &dropped)
            }
            "drop_partitions_req" => Reply::of(self.drop_partitions_req(a).await, &dropped),
            "alter_partition" | "alter_partition_with_environment_context" => {
                Reply::of(self.alter_partition(a).await, &altered)
            }
            "alter_partitions" | "alter_partitions_with_environment_context" => {
                Reply::of(self.alter_partitions(a).await, &altered)
            }
            _ => return None,
        })
    }

    fn about_the_rest(&self, method: &str, a: &Fields) -> Reply {
        let statistics = [NoSuchObject, Meta, InvalidInput, InvalidObject];
        match method {
            "partition_name_has_valid_characters" => Reply::of(has_valid_characters(a), &[Meta]),
            "partition_name_to_vals" => Reply::of(name_to_values(a), &[Meta]),
            "partition_name_to_spec" => Reply::of(name_to_spec(a), &[Meta]),
            "set_ugi" => Reply::of(about::set_ugi(a), &[Meta]),
            "get_config_value" => Reply::of(Ok(about::config_value(a)), &[ConfigValSecurity]),
            "getMetaConf" => Reply::of(about::meta_conf::<FastStr>(a), &[Meta]),
            "setMetaConf" => Reply::of(about::meta_conf::<()>(a), &[Meta]),
            "flushCache" => Reply::of(Ok(()), &[]),
            "get_table_column_statistics" | "get_partition_column_statistics" => {
                Reply::of(about::column_statistics(a), &statistics)
            }
            "get_table_statistics_req" => {
                Reply::of(Ok(about::table_statistics()), &[NoSuchObject, Meta])
            }
            "get_partitions_statistics_req" => {
                Reply::of(Ok(about::partitions_statistics()), &[NoSuchObject, Meta])
            }
            "get_aggr_stats_for" => {
                Reply::of(Ok(about::aggregate_statistics()), &[NoSuchObject, Meta])
            }
            "get_functions" => Reply::of(Ok(Vec::<FastStr>::new()), &[Meta]),
            "get_all_functions" => Reply::of(Ok(about::all_functions()), &[Meta]),
            "get_function" => Reply::of(about::function(a), &[Meta, NoSuchObject]),
            "get_role_names" => Reply::of(Ok(about::role_names()), &[Meta]),
            "list_roles" => Reply::of(Ok(about::roles()), &[Meta]),
            "get_role_grants_for_principal" => Reply::of(Ok(about::role_grants()), &[Meta]),
            "get_privilege_set" => Reply::of(Ok(about::privilege_set()), &[Meta]),
            "list_privileges" => {
                Reply::of(Ok(about::none_of::<hms::HiveObjectPrivilege>()), &[Meta])
            }
            "get_primary_keys" => Reply::of(Ok(about::primary_keys()), &[Meta, NoSuchObject]),
            "get_foreign_keys" => Reply::of(Ok(about::foreign_keys()), &[Meta, NoSuchObject]),
            "get_indexes" => Reply::of(Ok(about::none_of::<hms::Index>()), &[NoSuchObject, Meta]),
            "get_index_names" => Reply::of(Ok(Vec::<FastStr>::new()), &[Meta]),
            "getName" => Reply::of(Ok(FastStr::from_static_str("lakehouse")), &[]),
            "getVersion" => {
                let version = FastStr::from_static_str(env!("CARGO_PKG_VERSION"));
                Reply::of(Ok(version), &[])
            }
            "getStatus" => Reply::of(Ok(about::ALIVE), &[]),
            "getStatusDetails" => Reply::of(Ok(FastStr::from_static_str("alive")), &[]),
            "aliveSince" => Reply::of(Ok(self.started.timestamp()), &[]),
            "shutdown" => Reply::HangUp,
            _ => Reply::unknown(method),
        }
    }
}
