//! Trino's grammar as far as `sqlparser` can be told of it.

use std::any::TypeId;

use datafusion::sql::sqlparser::ast::{DataType, Expr, Ident, TypedString};
use datafusion::sql::sqlparser::dialect::{Dialect, GenericDialect, Precedence};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;

/// The dialect of Trino and Presto.
///
/// What the parser asks of no method but of the dialect's type is answered as for [`GenericDialect`]. What it
/// cannot be told is rewritten in [`tokens`](super::tokens) before it reads.
#[derive(Debug, Clone, Copy, Default)]
pub struct TrinoDialect;

impl Dialect for TrinoDialect {
    fn dialect(&self) -> TypeId {
        TypeId::of::<GenericDialect>()
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        ch.is_alphabetic() || ch == '_'
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        ch.is_alphanumeric() || matches!(ch, '_' | '@' | '$')
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        // A backquote is Hive's, whose DDL is read, too.
        ch == '"' || ch == '`'
    }

    fn identifier_quote_style(&self, _identifier: &str) -> Option<char> {
        Some('"')
    }

    fn supports_unicode_string_literal(&self) -> bool {
        true
    }

    fn supports_numeric_literal_underscores(&self) -> bool {
        true
    }

    fn supports_filter_during_aggregation(&self) -> bool {
        true
    }

    fn supports_group_by_expr(&self) -> bool {
        true
    }

    fn supports_lambda_functions(&self) -> bool {
        true
    }

    fn supports_named_fn_args_with_rarrow_operator(&self) -> bool {
        true
    }

    fn supports_interval_options(&self) -> bool {
        true
    }

    fn supports_match_recognize(&self) -> bool {
        true
    }

    fn supports_start_transaction_modifier(&self) -> bool {
        true
    }

    fn supports_window_clause_named_window_reference(&self) -> bool {
        true
    }

    fn supports_window_function_null_treatment_arg(&self) -> bool {
        true
    }

    fn supports_comment_on(&self) -> bool {
        true
    }

    fn supports_create_view_comment_syntax(&self) -> bool {
        true
    }

    fn supports_parens_around_table_factor(&self) -> bool {
        true
    }

    fn allow_extract_custom(&self) -> bool {
        true
    }

    fn is_reserved_for_identifier(&self, keyword: Keyword) -> bool {
        RESERVED.contains(&keyword) || PREFIXES.contains(&keyword)
    }

    fn is_select_item_alias(
        &self,
        explicit: bool,
        keyword: &Keyword,
        parser: &mut Parser<'_>,
    ) -> bool {
        !RESERVED.contains(keyword) && (explicit || self.is_column_alias(keyword, parser))
    }

    fn is_table_factor_alias(
        &self,
        explicit: bool,
        keyword: &Keyword,
        parser: &mut Parser<'_>,
    ) -> bool {
        !RESERVED.contains(keyword) && (explicit || self.is_table_alias(keyword, parser))
    }

    fn parse_prefix(&self, parser: &mut Parser<'_>) -> Option<Result<Expr, ParserError>> {
        let next = parser.peek_token();
        match &next.token {
            Token::Word(word) if RESERVED.contains(&word.keyword) => {
                Some(parser.expected("an expression", next))
            }
            // The parser knows no such type, and would take the text for an alias.
            Token::Word(word)
                if word.quote_style.is_none() && word.value.eq_ignore_ascii_case("ipaddress") =>
            {
                let text = parser.peek_nth_token(1);
                if !matches!(text.token, Token::SingleQuotedString(_)) {
                    return None;
                }
                parser.next_token();
                let literal = parser.parse_value().map(|value| {
                    Expr::TypedString(TypedString {
                        data_type: DataType::Custom(Ident::new("ipaddress").into(), Vec::new()),
                        value,
                        uses_odbc_syntax: false,
                    })
                });
                Some(literal)
            }
            _ => None,
        }
    }

    fn parse_infix(
        &self,
        parser: &mut Parser<'_>,
        expr: &Expr,
        _precedence: u8,
    ) -> Option<Result<Expr, ParserError>> {
        // The parser would take what follows an AND for part of the right side.
        let distinct = [Keyword::IS, Keyword::DISTINCT, Keyword::FROM];
        let not_distinct = [Keyword::IS, Keyword::NOT, Keyword::DISTINCT, Keyword::FROM];
        let form = if parser.parse_keywords(&distinct) {
            Expr::IsDistinctFrom
        } else if parser.parse_keywords(&not_distinct) {
            Expr::IsNotDistinctFrom
        } else {
            return None;
        };
        let right = parser.parse_subexpr(self.prec_value(Precedence::Eq));
        Some(right.map(|right| form(Box::new(expr.clone()), Box::new(right))))
    }
}

/// Reserved words that begin expressions.
const PREFIXES: [Keyword; 5] = [
    Keyword::CASE,
    Keyword::CAST,
    Keyword::EXISTS,
    // Not reserved in Trino, but a literal follows wherever it is not a name in quotes.
    Keyword::INTERVAL,
    Keyword::NOT,
];

/// Words that are no names unless they are quoted. Reserved words with a meaning of their own at the place of a name,
/// such as `EXTRACT`, are read as that before anybody asks.
///
/// # Source
/// <https://trino.io/docs/476/language/reserved.html>
const RESERVED: [Keyword; 40] = [
    Keyword::AND,
    Keyword::AS,
    Keyword::BETWEEN,
    Keyword::BY,
    Keyword::CREATE,
    Keyword::CROSS,
    Keyword::DELETE,
    Keyword::DISTINCT,
    Keyword::DROP,
    Keyword::ELSE,
    Keyword::END,
    Keyword::ESCAPE,
    Keyword::EXCEPT,
    Keyword::FOR,
    Keyword::FROM,
    Keyword::FULL,
    Keyword::GROUP,
    Keyword::HAVING,
    Keyword::IN,
    Keyword::INNER,
    Keyword::INSERT,
    Keyword::INTERSECT,
    Keyword::INTO,
    Keyword::IS,
    Keyword::JOIN,
    Keyword::LEFT,
    Keyword::LIKE,
    Keyword::NATURAL,
    Keyword::ON,
    Keyword::OR,
    Keyword::ORDER,
    Keyword::RIGHT,
    Keyword::SELECT,
    Keyword::TABLE,
    Keyword::THEN,
    Keyword::UNION,
    Keyword::USING,
    Keyword::VALUES,
    Keyword::WHEN,
    Keyword::WHERE,
];
