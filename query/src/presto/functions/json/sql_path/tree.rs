//! A path as a tree. Chains are lists, so that only what is in parentheses or brackets makes it deep.

use super::datum::Datum;

/// How errors of structure are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Arrays are unwrapped where an item is wanted, items are wrapped where an array is; what is missing is left out.
    Lax,
    /// They are errors.
    Strict,
}

/// What gives a sequence of items.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Literal(Datum<'static>),
    Null,
    /// `$`
    Context,
    /// `@`
    Current,
    Last,
    /// `$name`, by its place among the path's names.
    Variable(usize),
    Access {
        base: Box<Node>,
        steps: Vec<Step>,
    },
    Negative(Box<Node>),
    Positive(Box<Node>),
    Chain {
        first: Box<Node>,
        rest: Vec<(Operator, Node)>,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    Member(String),
    AnyMember,
    /// `..key`
    Descendants(String),
    AnyElement,
    /// From, and to if it is a range.
    Subscripts(Vec<(Node, Option<Node>)>),
    Filter(Predicate),
    Method(Method),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Abs,
    Ceiling,
    Double,
    Floor,
    KeyValue,
    Size,
    Type,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulus,
}

impl Operator {
    /// Returns the name that messages have for it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Add => "ADD",
            Self::Subtract => "SUBTRACT",
            Self::Multiply => "MULTIPLY",
            Self::Divide => "DIVIDE",
            Self::Modulus => "MODULUS",
        }
    }
}

/// What is true, false or unknown of an item.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Predicate {
    All(Vec<Predicate>),
    Any(Vec<Predicate>),
    Not(Box<Predicate>),
    IsUnknown(Box<Predicate>),
    Exists(Node),
    StartsWith {
        value: Node,
        prefix: Node,
    },
    Compare {
        left: Node,
        comparison: Comparison,
        right: Node,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}
