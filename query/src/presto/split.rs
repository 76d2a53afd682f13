//! Scripts into statements.

/// Returns the statements of `script`, split at `;` outside quotes and comments; empty ones are dropped.
pub fn split_statements(script: &str) -> Vec<String> {
    let mut statements = Vec::new();
    let (mut current, mut has_code) = (String::new(), false);
    let mut rest = script.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            ';' => {
                if has_code {
                    statements.push(current.trim().to_owned());
                }
                current.clear();
                has_code = false;
                continue;
            }
            '\'' | '"' => {
                // A doubled quote ends one literal and begins the next, which is the same to us.
                has_code = true;
                current.push(c);
                for inner in rest.by_ref() {
                    current.push(inner);
                    if inner == c {
                        break;
                    }
                }
                continue;
            }
            '-' if rest.peek() == Some(&'-') => {
                current.push(c);
                for inner in rest.by_ref() {
                    current.push(inner);
                    if inner == '\n' {
                        break;
                    }
                }
                continue;
            }
            '/' if rest.peek() == Some(&'*') => {
                current.push(c);
                let mut last = ' ';
                for inner in rest.by_ref() {
                    current.push(inner);
                    if last == '*' && inner == '/' {
                        break;
                    }
                    last = inner;
                }
                continue;
            }
            _ => {}
        }
        has_code |= !c.is_whitespace();
        current.push(c);
    }
    if has_code {
        statements.push(current.trim().to_owned());
    }
    statements
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn semicolons_in_quotes_and_comments_do_not_split() {
        let script = "SELECT ';' -- a; b\n; /* ; */ SELECT \"a;b\" ; -- end;\n";
        assert_eq!(
            split_statements(script),
            ["SELECT ';' -- a; b", "/* ; */ SELECT \"a;b\""]
        );
    }
}
