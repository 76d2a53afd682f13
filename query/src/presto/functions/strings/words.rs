//! Words and digits: soundex, stems, check digits.

use std::fmt::Write as _;

use arrow::array::ArrayRef;
use datafusion::error::Result;
use rust_stemmers::{Algorithm, Stemmer};

use crate::presto::functions::call::{Call, Memo, Text, invalid};

const LANGUAGES: [(&str, Algorithm); 15] = [
    ("da", Algorithm::Danish),
    ("nl", Algorithm::Dutch),
    ("en", Algorithm::English),
    ("fi", Algorithm::Finnish),
    ("fr", Algorithm::French),
    ("de", Algorithm::German),
    ("hu", Algorithm::Hungarian),
    ("it", Algorithm::Italian),
    ("no", Algorithm::Norwegian),
    ("pt", Algorithm::Portuguese),
    ("ro", Algorithm::Romanian),
    ("ru", Algorithm::Russian),
    ("es", Algorithm::Spanish),
    ("sv", Algorithm::Swedish),
    ("tr", Algorithm::Turkish),
];

/// `word_stem(word [, language])`.
pub(super) fn word_stem(call: &Call) -> Result<ArrayRef> {
    let mut stemmers = Memo::new();
    call.build_text(|row, out| {
        let language = match call.len() {
            2 => call.get::<Text>(1, row),
            _ => Some("en"),
        };
        let (Some(word), Some(language)) = (call.get::<Text>(0, row), language) else {
            return Ok(false);
        };
        let stemmer = stemmers.get(language, |language| {
            let known = LANGUAGES.iter().find(|(code, _)| *code == language);
            known
                .map(|(_, algorithm)| Stemmer::create(*algorithm))
                .ok_or_else(|| invalid(format!("Unknown stemmer language: {language}")))
        })?;
        out.push_str(&stemmer.stem(word));
        Ok(true)
    })
}

/// `char2hexint(text)`: UTF-16 in hexadecimal.
pub(super) fn char2hexint(call: &Call) -> Result<ArrayRef> {
    call.text1(|text, out| {
        for unit in text.encode_utf16() {
            let _ = write!(out, "{unit:04X}");
        }
        Ok(true)
    })
}

pub(super) fn luhn_check(call: &Call) -> Result<ArrayRef> {
    call.map1::<Text, bool>(|text| {
        if text.is_empty() {
            return Ok(Some(false));
        }
        let mut sum = 0;
        for (position, c) in text.chars().rev().enumerate() {
            let digit = c
                .to_digit(10)
                .ok_or_else(|| invalid("Input contains non-digit character"))?;
            sum += match (position % 2, digit * 2) {
                (0, _) => digit,
                (_, doubled) if doubled > 9 => doubled - 9,
                (_, doubled) => doubled,
            };
        }
        Ok(Some(sum % 10 == 0))
    })
}

/// The digit of a letter: 0 is a vowel, H and W (7) do not part equal digits.
fn code(c: char) -> Option<char> {
    Some(match c {
        'A' | 'E' | 'I' | 'O' | 'U' | 'Y' => '0',
        'B' | 'F' | 'P' | 'V' => '1',
        'C' | 'G' | 'J' | 'K' | 'Q' | 'S' | 'X' | 'Z' => '2',
        'D' | 'T' => '3',
        'L' => '4',
        'M' | 'N' => '5',
        'R' => '6',
        'H' | 'W' => '7',
        _ => return None,
    })
}

pub(super) fn soundex(call: &Call) -> Result<ArrayRef> {
    call.text1(|text, out| {
        let letters: Vec<char> = text
            .chars()
            .filter(|c| c.is_alphabetic())
            .flat_map(char::to_uppercase)
            .collect();
        let digit = |c: char| {
            code(c).ok_or_else(|| {
                let message = format!(
                    "The character is not mapped: {c} (index={})",
                    u32::from(c) - 65
                );
                invalid(message)
            })
        };
        let Some((first, rest)) = letters.split_first() else {
            return Ok(true);
        };
        let mut last = digit(*first)?;
        out.push(*first);
        for letter in rest {
            if out.len() >= 4 {
                break;
            }
            let next = digit(*letter)?;
            if next == '7' {
                continue;
            }
            if next != '0' && next != last {
                out.push(next);
            }
            last = next;
        }
        while out.chars().count() < 4 {
            out.push('0');
        }
        Ok(true)
    })
}
