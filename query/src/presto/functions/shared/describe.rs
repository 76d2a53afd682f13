//! What `SHOW FUNCTIONS` says of a function.

/// What a function is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One value per row.
    Scalar,
    /// One value per group.
    Aggregate,
    /// One value per row, of the rows around it.
    Window,
}

impl Kind {
    /// Returns Trino's word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Aggregate => "aggregate",
            Self::Window => "window",
        }
    }
}

/// One row of `SHOW FUNCTIONS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Description {
    /// The function.
    pub name: &'static str,
    /// Its return type.
    pub returns: &'static str,
    /// Its argument types, separated by commas.
    pub arguments: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Whether the same arguments give the same answer.
    pub is_deterministic: bool,
    /// What it does.
    pub text: &'static str,
}

/// Returns the row of a scalar function.
pub(in crate::presto::functions) const fn scalar(
    name: &'static str,
    returns: &'static str,
    arguments: &'static str,
    text: &'static str,
) -> Description {
    Description {
        name,
        returns,
        arguments,
        kind: Kind::Scalar,
        is_deterministic: true,
        text,
    }
}

/// Returns the row of an aggregate function.
pub(in crate::presto::functions) const fn aggregate(
    name: &'static str,
    returns: &'static str,
    arguments: &'static str,
    text: &'static str,
) -> Description {
    Description {
        kind: Kind::Aggregate,
        ..scalar(name, returns, arguments, text)
    }
}

/// Returns the row of a window function.
pub(in crate::presto::functions) const fn window(
    name: &'static str,
    returns: &'static str,
    arguments: &'static str,
    text: &'static str,
) -> Description {
    Description {
        kind: Kind::Window,
        ..scalar(name, returns, arguments, text)
    }
}
