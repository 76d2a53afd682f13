//! What follows `ALTER TABLE`, as it is written.

use arrow::datatypes::Field;
use datafusion::sql::sqlparser::tokenizer::Token;

use crate::engine::ddl::create::read_column;
use crate::engine::ddl::properties::{self, Properties};
use crate::engine::ddl::types;
use crate::engine::reader::Reader;
use crate::{Error, Result};

/// What becomes of a table.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::engine) struct AlterStatement {
    pub(super) table: Vec<String>,
    pub(super) if_exists: bool,
    pub(super) change: Change,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Change {
    RenameTo(Vec<String>),
    AddColumn {
        field: Field,
        if_not_exists: bool,
    },
    DropColumn {
        name: String,
        if_exists: bool,
    },
    RenameColumn {
        from: String,
        to: String,
        if_exists: bool,
    },
    SetType {
        column: String,
        data_type: arrow::datatypes::DataType,
    },
    DropNotNull {
        column: String,
    },
    AddConstraint {
        name: String,
        check: String,
    },
    DropConstraint {
        name: String,
        if_exists: bool,
    },
    SetProperties(Properties),
    Execute {
        procedure: String,
        arguments: Properties,
        filter: Option<String>,
    },
}

/// Reads what follows `ALTER TABLE`; none for statements about partitions, which are read elsewhere.
pub(in crate::engine) fn read_alter_table(reader: &mut Reader) -> Result<Option<AlterStatement>> {
    let if_exists = reader.words(&["IF", "EXISTS"]);
    let table = reader.name()?;
    let change = if reader.words(&["RENAME", "TO"]) {
        Change::RenameTo(reader.name()?)
    } else if reader.words(&["RENAME", "COLUMN"]) {
        let if_exists = reader.words(&["IF", "EXISTS"]);
        let from = plain_column(reader)?;
        reader.expect_words(&["TO"])?;
        let to = reader.identifier()?;
        Change::RenameColumn {
            from,
            to,
            if_exists,
        }
    } else if reader.words(&["ADD", "COLUMN"]) {
        let if_not_exists = reader.words(&["IF", "NOT", "EXISTS"]);
        let field = read_column(reader)?;
        if reader.word("FIRST") || reader.word("AFTER") || reader.word("LAST") {
            return Err(Error::NotSupported {
                what: "a position of an added column".to_owned(),
            });
        }
        Change::AddColumn {
            field,
            if_not_exists,
        }
    } else if reader.words(&["DROP", "COLUMN"]) {
        let if_exists = reader.words(&["IF", "EXISTS"]);
        Change::DropColumn {
            name: plain_column(reader)?,
            if_exists,
        }
    } else if reader.words(&["ALTER", "COLUMN"]) {
        let column = plain_column(reader)?;
        if reader.words(&["SET", "DATA", "TYPE"]) {
            Change::SetType {
                column,
                data_type: types::read(reader)?,
            }
        } else if reader.words(&["DROP", "NOT", "NULL"]) {
            Change::DropNotNull { column }
        } else {
            return Err(reader.expected("SET DATA TYPE or DROP NOT NULL"));
        }
    } else if reader.words(&["ADD", "CONSTRAINT"]) {
        let name = reader.identifier()?;
        reader.expect_words(&["CHECK"])?;
        reader.expect(&Token::LParen)?;
        let check = reader.text_until(&[], &[Token::RParen]);
        reader.expect(&Token::RParen)?;
        Change::AddConstraint { name, check }
    } else if reader.words(&["DROP", "CONSTRAINT"]) {
        let if_exists = reader.words(&["IF", "EXISTS"]);
        Change::DropConstraint {
            name: reader.identifier()?,
            if_exists,
        }
    } else if reader.words(&["SET", "PROPERTIES"]) || reader.words(&["SET", "TBLPROPERTIES"]) {
        let given = if reader.peek() == Some(&Token::LParen) {
            properties::read_list(reader)?
        } else {
            let mut given = vec![properties::read_one(reader)?];
            while reader.token(&Token::Comma) {
                given.push(properties::read_one(reader)?);
            }
            given
        };
        Change::SetProperties(given)
    } else if reader.words(&["SET", "AUTHORIZATION"]) {
        return Err(Error::NotSupported {
            what: "ALTER TABLE SET AUTHORIZATION".to_owned(),
        });
    } else if reader.word("EXECUTE") {
        read_execute(reader)?
    } else if reader.word("ADD") || reader.word("DROP") {
        return Ok(None);
    } else {
        return Err(reader.expected("a change of the table"));
    };
    reader.end()?;
    Ok(Some(AlterStatement {
        table,
        if_exists,
        change,
    }))
}

fn read_execute(reader: &mut Reader) -> Result<Change> {
    let procedure = reader.identifier()?;
    let mut arguments = Properties::new();
    if reader.token(&Token::LParen) {
        while !reader.token(&Token::RParen) {
            let name = reader.identifier()?;
            reader.expect(&Token::RArrow)?;
            arguments.push((name, properties::read_value(reader)?));
            let _ = reader.token(&Token::Comma);
        }
    }
    let filter = reader.word("WHERE").then(|| reader.rest());
    Ok(Change::Execute {
        procedure,
        arguments,
        filter,
    })
}

fn plain_column(reader: &mut Reader) -> Result<String> {
    let mut parts = reader.name()?;
    match (parts.pop(), parts.is_empty()) {
        (Some(column), true) => Ok(column),
        _ => Err(Error::NotSupported {
            what: "changing fields of a row".to_owned(),
        }),
    }
}
