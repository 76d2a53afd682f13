//! Statements about names: what Hive and Presto say to their metastores.
//!
//! Told apart by their first words like the statements of `frontend`, and read with the same parser's parts.

mod columns;
mod run;

use std::collections::BTreeMap;

use datafusion::sql::sqlparser::ast::ObjectName;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;
use lake::{RepairMode, StorageDescriptor, TableFormat};

use self::columns::columns;
use crate::{Error, Result};

type Parsed<T> = std::result::Result<T, ParserError>;

/// A statement about names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum MetastoreStatement {
    /// `ALTER TABLE t ADD [IF NOT EXISTS] PARTITION (k = v, …) [LOCATION '…'] …`.
    AddPartitions {
        table: ObjectName,
        partitions: Vec<PartitionSpec>,
        if_not_exists: bool,
    },
    /// `ALTER TABLE t DROP [IF EXISTS] PARTITION (k = v, …), …`.
    DropPartitions {
        table: ObjectName,
        partitions: Vec<PartitionSpec>,
        if_exists: bool,
    },
    /// `MSCK REPAIR TABLE t [ADD | DROP | SYNC PARTITIONS]`.
    RepairTable { table: ObjectName, mode: RepairMode },
    /// `SHOW PARTITIONS t`.
    ShowPartitions { table: ObjectName },
    /// `UNDROP TABLE t`.
    UndropTable { table: ObjectName },
    /// `CREATE EXTERNAL TABLE …`.
    CreateExternalTable(Box<ExternalTableSpec>),
    /// `CREATE SCHEMA | DATABASE …`.
    CreateSchema {
        name: ObjectName,
        if_not_exists: bool,
        location: Option<String>,
        comment: Option<String>,
        properties: BTreeMap<String, String>,
    },
}

/// Values of partition keys, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PartitionSpec {
    /// By key, in lower case; no value is NULL.
    pub(super) values: Vec<(String, Option<String>)>,
    pub(super) location: Option<String>,
}

/// What `CREATE EXTERNAL TABLE` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ExternalTableSpec {
    pub(super) name: ObjectName,
    pub(super) if_not_exists: bool,
    pub(super) columns: Vec<lake::Column>,
    pub(super) partition_keys: Vec<lake::Column>,
    pub(super) comment: Option<String>,
    pub(super) format: TableFormat,
    pub(super) storage: StorageDescriptor,
    pub(super) location: String,
    pub(super) properties: BTreeMap<String, String>,
}

impl MetastoreStatement {
    /// Returns whether the statement changes anything.
    pub(super) fn writes(&self) -> bool {
        !matches!(self, Self::ShowPartitions { .. })
    }
}

/// Returns the statement that `sql` is, if it is one of these. `words` are its first three, in upper case.
///
/// # Errors
/// One of these statements, but malformed.
pub(super) fn parse(words: &[&str], sql: &str) -> Result<Option<MetastoreStatement>> {
    let read: fn(&mut Parser<'_>) -> Parsed<Option<MetastoreStatement>> = match words {
        ["ALTER", "TABLE", _] => alter_table,
        ["MSCK", ..] => repair,
        ["SHOW", "PARTITIONS", ..] => show_partitions,
        ["UNDROP", ..] => undrop,
        ["CREATE", "EXTERNAL", ..] => create_external_table,
        ["CREATE", "SCHEMA" | "DATABASE", ..] => create_schema,
        _ => return Ok(None),
    };
    let syntax = |error: ParserError| Error::Syntax {
        message: error.to_string(),
    };
    let dialect = GenericDialect {};
    let mut parser = Parser::new(&dialect).try_with_sql(sql).map_err(syntax)?;
    let Some(statement) = read(&mut parser).map_err(syntax)? else {
        return Ok(None);
    };
    parser.expect_token(&Token::EOF).map_err(syntax)?;
    Ok(Some(statement))
}

/// Other changes of tables are read by `command`.
fn alter_table(parser: &mut Parser<'_>) -> Parsed<Option<MetastoreStatement>> {
    parser.expect_keywords(&[Keyword::ALTER, Keyword::TABLE])?;
    let _ = parser.parse_keywords(&[Keyword::IF, Keyword::EXISTS]);
    let table = parser.parse_object_name(false)?;
    if parser.parse_keyword(Keyword::ADD) {
        let if_not_exists = parser.parse_keywords(&[Keyword::IF, Keyword::NOT, Keyword::EXISTS]);
        if !parser.peek_keyword(Keyword::PARTITION) {
            return Ok(None);
        }
        let mut partitions = Vec::new();
        while parser.parse_keyword(Keyword::PARTITION) {
            let values = partition_values(parser)?;
            let has_location = parser.parse_keyword(Keyword::LOCATION);
            let location = has_location.then(|| parser.parse_literal_string());
            partitions.push(PartitionSpec {
                values,
                location: location.transpose()?,
            });
            let _ = parser.consume_token(&Token::Comma);
        }
        return Ok(Some(MetastoreStatement::AddPartitions {
            table,
            partitions,
            if_not_exists,
        }));
    }
    if parser.parse_keyword(Keyword::DROP) {
        let if_exists = parser.parse_keywords(&[Keyword::IF, Keyword::EXISTS]);
        if !parser.peek_keyword(Keyword::PARTITION) {
            return Ok(None);
        }
        let partitions = parser.parse_comma_separated(|parser| {
            parser.expect_keyword(Keyword::PARTITION)?;
            let values = partition_values(parser)?;
            let location = None;
            Ok(PartitionSpec { values, location })
        })?;
        return Ok(Some(MetastoreStatement::DropPartitions {
            table,
            partitions,
            if_exists,
        }));
    }
    Ok(None)
}

/// Reads `(k = v, …)`.
fn partition_values(parser: &mut Parser<'_>) -> Parsed<Vec<(String, Option<String>)>> {
    parser.expect_token(&Token::LParen)?;
    let values = parser.parse_comma_separated(|parser| {
        let key = parser.parse_identifier()?.value.to_lowercase();
        parser.expect_token(&Token::Eq)?;
        // `DATE '2013-01-01'` means its text.
        let _ = parser.parse_one_of_keywords(&[Keyword::DATE, Keyword::TIMESTAMP]);
        if parser.parse_keyword(Keyword::NULL) {
            return Ok((key, None));
        }
        let sign = if parser.consume_token(&Token::Minus) {
            "-"
        } else {
            ""
        };
        let found = parser.next_token();
        let value = match &found.token {
            Token::Number(text, _) => format!("{sign}{text}"),
            Token::SingleQuotedString(text) | Token::DoubleQuotedString(text)
                if sign.is_empty() =>
            {
                text.clone()
            }
            Token::Word(word) if matches!(word.keyword, Keyword::TRUE | Keyword::FALSE) => {
                word.value.to_lowercase()
            }
            _ => return parser.expected("a literal", found),
        };
        Ok((key, Some(value)))
    })?;
    parser.expect_token(&Token::RParen)?;
    Ok(values)
}

fn repair(parser: &mut Parser<'_>) -> Parsed<Option<MetastoreStatement>> {
    parser.expect_keywords(&[Keyword::MSCK, Keyword::REPAIR, Keyword::TABLE])?;
    let table = parser.parse_object_name(false)?;
    let mode = if is_word(parser, "SYNC") {
        RepairMode::Sync
    } else if parser.parse_keyword(Keyword::DROP) {
        RepairMode::Drop
    } else if parser.parse_keyword(Keyword::ADD) {
        RepairMode::Add
    } else {
        let mode = RepairMode::Add;
        return Ok(Some(MetastoreStatement::RepairTable { table, mode }));
    };
    expect_word(parser, "PARTITIONS")?;
    Ok(Some(MetastoreStatement::RepairTable { table, mode }))
}

fn show_partitions(parser: &mut Parser<'_>) -> Parsed<Option<MetastoreStatement>> {
    parser.expect_keyword(Keyword::SHOW)?;
    expect_word(parser, "PARTITIONS")?;
    let _ = parser.parse_one_of_keywords(&[Keyword::FROM, Keyword::IN]);
    let table = parser.parse_object_name(false)?;
    Ok(Some(MetastoreStatement::ShowPartitions { table }))
}

fn undrop(parser: &mut Parser<'_>) -> Parsed<Option<MetastoreStatement>> {
    expect_word(parser, "UNDROP")?;
    parser.expect_keyword(Keyword::TABLE)?;
    let table = parser.parse_object_name(false)?;
    Ok(Some(MetastoreStatement::UndropTable { table }))
}

fn create_schema(parser: &mut Parser<'_>) -> Parsed<Option<MetastoreStatement>> {
    parser.expect_keyword(Keyword::CREATE)?;
    parser.expect_one_of_keywords(&[Keyword::SCHEMA, Keyword::DATABASE])?;
    let if_not_exists = parser.parse_keywords(&[Keyword::IF, Keyword::NOT, Keyword::EXISTS]);
    if parser.peek_keyword(Keyword::AUTHORIZATION) {
        return Ok(None);
    }
    let name = parser.parse_object_name(false)?;
    let (mut location, mut comment, mut properties) = (None, None, BTreeMap::new());
    loop {
        if parser.parse_keyword(Keyword::COMMENT) {
            comment = Some(parser.parse_literal_string()?);
        } else if parser.parse_keyword(Keyword::LOCATION) {
            location = Some(parser.parse_literal_string()?);
        } else if parser.parse_keyword(Keyword::WITH) {
            // Hive says WITH DBPROPERTIES; Presto's location is a property.
            let _ = is_word(parser, "DBPROPERTIES");
            properties.append(&mut pairs(parser)?);
            location = properties.remove("location").or(location);
        } else {
            break;
        }
    }
    Ok(Some(MetastoreStatement::CreateSchema {
        name,
        if_not_exists,
        location,
        comment,
        properties,
    }))
}

fn create_external_table(parser: &mut Parser<'_>) -> Parsed<Option<MetastoreStatement>> {
    parser.expect_keywords(&[Keyword::CREATE, Keyword::EXTERNAL, Keyword::TABLE])?;
    let if_not_exists = parser.parse_keywords(&[Keyword::IF, Keyword::NOT, Keyword::EXISTS]);
    let name = parser.parse_object_name(false)?;
    let columns_of_table = columns(parser)?;
    let (mut partition_keys, mut comment, mut location) = (Vec::new(), None, None);
    let (mut properties, mut parameters) = (BTreeMap::new(), BTreeMap::new());
    let (mut stored, mut serde) = (None, None);
    loop {
        if parser.parse_keyword(Keyword::COMMENT) {
            comment = Some(parser.parse_literal_string()?);
        } else if parser.parse_keywords(&[Keyword::PARTITIONED, Keyword::BY]) {
            partition_keys = columns(parser)?;
        } else if parser.parse_keywords(&[Keyword::ROW, Keyword::FORMAT]) {
            if is_word(parser, "SERDE") {
                serde = Some(parser.parse_literal_string()?);
                if parser.parse_keyword(Keyword::WITH) {
                    expect_word(parser, "SERDEPROPERTIES")?;
                    parameters.append(&mut pairs(parser)?);
                }
            } else {
                expect_word(parser, "DELIMITED")?;
                delimited(parser, &mut parameters)?;
            }
        } else if parser.parse_keywords(&[Keyword::STORED, Keyword::AS]) {
            stored = Some(stored_as(parser)?);
        } else if parser.parse_keyword(Keyword::LOCATION) {
            location = Some(parser.parse_literal_string()?);
        } else if parser.parse_keyword(Keyword::TBLPROPERTIES) {
            properties.append(&mut pairs(parser)?);
        } else {
            break;
        }
    }
    let Some(location) = location else {
        let found = parser.peek_token();
        return parser.expected("LOCATION 'folder'", found);
    };
    let mut storage = stored.unwrap_or_else(StorageDescriptor::of_text);
    if serde.is_some() {
        storage.serde = serde;
    }
    storage.serde_parameters = parameters;
    let Some(format) = storage.format() else {
        return Err(ParserError::ParserError(format!(
            "Expected: a serde of Parquet, CSV or JSON, found: {}",
            storage.serde.unwrap_or_default()
        )));
    };
    Ok(Some(MetastoreStatement::CreateExternalTable(Box::new(
        ExternalTableSpec {
            name,
            if_not_exists,
            columns: columns_of_table,
            partition_keys,
            comment,
            format,
            storage,
            location,
            properties,
        },
    ))))
}

/// Reads what follows `ROW FORMAT DELIMITED`.
fn delimited(parser: &mut Parser<'_>, parameters: &mut BTreeMap<String, String>) -> Parsed<()> {
    loop {
        let name = if is_word(parser, "FIELDS") {
            "field.delim"
        } else if parser.parse_keyword(Keyword::ESCAPED) {
            "escape.delim"
        } else if is_word(parser, "LINES") {
            "line.delim"
        } else if parser.parse_keyword(Keyword::NULL) {
            parser.expect_keywords(&[Keyword::DEFINED, Keyword::AS])?;
            let text = parser.parse_literal_string()?;
            parameters.insert("serialization.null.format".to_owned(), text);
            continue;
        } else {
            return Ok(());
        };
        if name != "escape.delim" {
            parser.expect_keyword(Keyword::TERMINATED)?;
        }
        parser.expect_keyword(Keyword::BY)?;
        parameters.insert(name.to_owned(), parser.parse_literal_string()?);
    }
}

fn stored_as(parser: &mut Parser<'_>) -> Parsed<StorageDescriptor> {
    let found = parser.next_token();
    Ok(
        match found.token.to_string().to_ascii_uppercase().as_str() {
            "PARQUET" => StorageDescriptor::of_format(TableFormat::Parquet),
            "CSV" => StorageDescriptor::of_format(TableFormat::Csv),
            "TEXTFILE" => StorageDescriptor::of_text(),
            "JSON" | "JSONFILE" => StorageDescriptor::of_format(TableFormat::Json),
            _ => return parser.expected("PARQUET, CSV, TEXTFILE or JSON", found),
        },
    )
}

/// Reads `('key' = 'value', …)`; keys may be words, too.
fn pairs(parser: &mut Parser<'_>) -> Parsed<BTreeMap<String, String>> {
    parser.expect_token(&Token::LParen)?;
    let pairs = parser.parse_comma_separated(|parser| {
        let key = parser.parse_identifier()?.value;
        parser.expect_token(&Token::Eq)?;
        let found = parser.next_token();
        let value = match &found.token {
            Token::SingleQuotedString(text) | Token::Number(text, _) => text.clone(),
            Token::Word(word) if matches!(word.keyword, Keyword::TRUE | Keyword::FALSE) => {
                word.value.to_lowercase()
            }
            // Hive takes both kinds of quotes for strings.
            Token::Word(word) if word.quote_style == Some('"') => word.value.clone(),
            _ => return parser.expected("a literal", found),
        };
        Ok((key, value))
    })?;
    parser.expect_token(&Token::RParen)?;
    Ok(pairs.into_iter().collect())
}

/// Takes the next token if it is this word, which the parser may not know.
fn is_word(parser: &mut Parser<'_>, word: &str) -> bool {
    let found = match &parser.peek_token_ref().token {
        Token::Word(found) => found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word),
        _ => false,
    };
    if found {
        parser.advance_token();
    }
    found
}

fn expect_word(parser: &mut Parser<'_>, word: &str) -> Parsed<()> {
    if is_word(parser, word) {
        return Ok(());
    }
    let found = parser.peek_token();
    parser.expected(word, found)
}

#[cfg(test)]
mod tests;
