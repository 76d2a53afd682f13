//! Columns of tables of files, whose types may be written as Hive or as Presto writes them.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;
use lake::{Column, hive_types};

use super::is_word;
use crate::presto::types::column_type;

/// Reads `(name type [COMMENT 'text'], …)`.
pub(super) fn columns(parser: &mut Parser<'_>) -> Result<Vec<Column>, ParserError> {
    parser.expect_token(&Token::LParen)?;
    let columns = parser.parse_comma_separated(|parser| {
        let name = parser.parse_identifier()?.value.to_lowercase();
        let data_type = column_type_text(parser)?;
        let comment = is_word(parser, "COMMENT")
            .then(|| parser.parse_literal_string())
            .transpose()?;
        Ok(Column {
            name,
            data_type,
            comment,
        })
    })?;
    parser.expect_token(&Token::RParen)?;
    Ok(columns)
}

/// Reads a type and returns how Hive writes it. Presto's `array(…)` and `map(…)` are Hive's `array<…>` and
/// `map<…>`.
fn column_type_text(parser: &mut Parser<'_>) -> Result<String, ParserError> {
    let mut words: Vec<String> = Vec::new();
    // What closes the brackets that are open.
    let mut closing: Vec<&str> = Vec::new();
    loop {
        let token = &parser.peek_token_ref().token;
        let ends = match token {
            Token::EOF => true,
            Token::Comma | Token::RParen => closing.is_empty(),
            Token::Word(word) => closing.is_empty() && word.keyword == Keyword::COMMENT,
            _ => false,
        };
        if ends {
            break;
        }
        let text = match token {
            Token::Lt => {
                closing.push(">");
                "<".to_owned()
            }
            Token::LParen => {
                let before = words.last().map(|word| word.to_ascii_lowercase());
                let nested = matches!(before.as_deref(), Some("array" | "map"));
                closing.push(if nested { ">" } else { ")" });
                if nested { "<" } else { "(" }.to_owned()
            }
            Token::RParen => closing.pop().unwrap_or(")").to_owned(),
            other => {
                let text = other.to_string();
                // `>>` is one token.
                closing.truncate(closing.len().saturating_sub(text.matches('>').count()));
                text
            }
        };
        words.push(text);
        parser.advance_token();
    }
    let text = words.join(" ");
    if let Ok(parsed) = hive_types::parse_hive_type(&text) {
        return canonical(&parsed, &text);
    }
    let presto = Parser::new(&datafusion::sql::sqlparser::dialect::GenericDialect {})
        .try_with_sql(&text)
        .and_then(|mut parser| {
            let parsed = parser.parse_data_type()?;
            parser.expect_token(&Token::EOF)?;
            Ok(parsed)
        });
    let unknown = || ParserError::ParserError(format!("Expected: a column type, found: {text}"));
    let parsed = column_type(&presto.map_err(|_| unknown())?).map_err(|_| unknown())?;
    canonical(&parsed, &text)
}

fn canonical(data_type: &arrow::datatypes::DataType, text: &str) -> Result<String, ParserError> {
    hive_types::hive_type(data_type)
        .ok_or_else(|| ParserError::ParserError(format!("Expected: a column type, found: {text}")))
}
