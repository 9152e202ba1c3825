//! Parquet's levels, which say which rows have values, and the hybrid of runs and packed bits that levels and indexes are written in.

use super::buffer::Presence;

/// Numbers, each with how often it stands one after the other.
pub(super) type Runs = Vec<(u32, u32)>;

/// Which rows have values, by Parquet's levels.
pub(super) struct Levels {
    pub(super) definitions: Runs,
    /// Whether a value is of the row of the one before it; nothing in a column of at most one value a row.
    pub(super) repetitions: Runs,
    pub(super) rows: u64,
}

impl Levels {
    /// Of a column with at most one value a row.
    pub(super) fn of_rows(present: &Presence) -> Self {
        let definitions = present
            .runs()
            .map(|(is_present, rows)| (u32::from(is_present), rows));
        Levels {
            definitions: definitions.collect(),
            repetitions: Runs::new(),
            rows: present.runs().map(|(_, rows)| u64::from(rows)).sum(),
        }
    }

    /// Of a column with so many values a row, none where there is no list; `most` is the level of a value that is there.
    pub(super) fn of_lists(lengths: &[Option<u32>], most: i16) -> Self {
        let (mut definitions, mut repetitions) = (Runs::new(), Runs::new());
        for length in lengths {
            let entries = length.unwrap_or(0);
            definitions.push(match length {
                None => (0, 1),
                Some(0) => (1, 1),
                Some(_) => (most.unsigned_abs().into(), entries),
            });
            repetitions.extend([(0, 1), (1, entries.saturating_sub(1))]);
        }
        Levels {
            definitions,
            repetitions,
            rows: lengths.len() as u64,
        }
    }

    /// The levels one by one: definitions, and repetitions where a row can have many values.
    pub(super) fn of_each(&self) -> (Vec<i16>, Option<Vec<i16>>) {
        let each = |runs: &Runs| {
            let levels = runs
                .iter()
                .map(|(level, times)| std::iter::repeat_n(*level as i16, *times as usize));
            levels.flatten().collect()
        };
        let repetitions = (!self.repetitions.is_empty()).then(|| each(&self.repetitions));
        (each(&self.definitions), repetitions)
    }
}

/// How many bits the numbers up to this one take.
pub(super) fn width(most: u32) -> u32 {
    u32::BITS - most.leading_zeros()
}

/// Numbers of `width` bits in Parquet's hybrid: what stands eight times or more as how often, the rest bit by bit, eight at a time.
pub(super) fn encoded(runs: &Runs, width: u32) -> Vec<u8> {
    let (mut bytes, mut single) = (Vec::new(), Vec::new());
    for &(number, mut times) in runs {
        let fill = (single.len().wrapping_neg() % 8).min(times as usize);
        single.extend(std::iter::repeat_n(number, fill));
        times -= fill as u32;
        if times < 8 {
            single.extend(std::iter::repeat_n(number, times as usize));
        } else {
            pack(&mut bytes, &mut single, width);
            push_varint(&mut bytes, u64::from(times) << 1);
            bytes.extend(&number.to_le_bytes()[..width.div_ceil(8) as usize]);
        }
    }
    pack(&mut bytes, &mut single, width);
    bytes
}

/// Numbers as a run of packed bits, the lowest first. Readers pass over what fills the last eight.
fn pack(bytes: &mut Vec<u8>, numbers: &mut Vec<u32>, width: u32) {
    if numbers.is_empty() {
        return;
    }
    numbers.resize(numbers.len().next_multiple_of(8), 0);
    push_varint(bytes, (numbers.len() as u64 / 8) << 1 | 1);
    let (mut bits, mut held) = (0_u64, 0);
    for number in numbers.drain(..) {
        bits |= u64::from(number) << held;
        held += width;
        while held >= 8 {
            bytes.push(bits as u8);
            bits >>= 8;
            held -= 8;
        }
    }
}

fn push_varint(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}
