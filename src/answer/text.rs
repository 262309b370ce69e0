//! Mesos as text, in the two forms the wire knows.

/// `43조 769억`: units of 10^12, 10^8 and 10^4, zero parts left out, the rest below 10^4 dropped; nothing left: `0`.
#[must_use]
pub fn korean(mesos: u64) -> String {
    let parts = [
        (mesos / 1_000_000_000_000, "조"),
        (mesos / 100_000_000 % 10_000, "억"),
        (mesos / 10_000 % 10_000, "만"),
    ];
    let texts: Vec<String> =
        parts.iter().filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n}{unit}")).collect();
    if texts.is_empty() { "0".to_owned() } else { texts.join(" ") }
}

/// `1,234,567`.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn korean_units() {
        for (mesos, text) in [
            (12_345_678_900_000, "12조 3456억 7890만"),
            (500_000_000_000, "5000억"),
            (1_234_567, "123만"),
            (9_999, "0"),
            (10_000, "1만"),
            (43_076_900_000_000, "43조 769억"),
            (0, "0"),
        ] {
            assert_eq!(korean(mesos), text);
        }
    }

    #[test]
    fn thousands() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_234_567, "1,234,567"),
            (100_000, "100,000"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }
}
