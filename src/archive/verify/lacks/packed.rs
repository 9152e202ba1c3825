//! Files whose content stands compressed or encrypted in them: a text within is not seen, and that is said.

/// The sorts of files, by how they begin.
const SORTS: &[(&str, &[u8])] = &[
    ("gzip", b"\x1f\x8b\x08"),
    ("zip", b"PK\x03\x04"),
    ("bzip2", b"BZh"),
    ("xz", b"\xfd7zXZ\0"),
    ("zstd", b"\x28\xb5\x2f\xfd"),
    ("lz4", b"\x04\x22\x4d\x18"),
    ("zlib", b"\x78\x9c"),
    ("zlib", b"\x78\xda"),
    ("7z", b"7z\xbc\xaf\x27\x1c"),
    ("rar", b"Rar!\x1a\x07"),
    ("parquet", b"PAR1"),
    ("orc", b"ORC"),
    ("avro", b"Obj\x01"),
    ("hdf5", b"\x89HDF\r\n\x1a\n"),
    ("png", b"\x89PNG\r\n\x1a\n"),
    ("jpeg", b"\xff\xd8\xff"),
    ("gif", b"GIF8"),
    ("webp", b"RIFF"),
    ("pdf", b"%PDF-"),
    ("encrypted", b"age-encryption.org/"),
    ("encrypted", b"Salted__"),
    ("encrypted", b"-----BEGIN PGP MESSAGE"),
];

/// The sort of a file that begins like this, if its content stands packed in it.
pub(super) fn sort_of(start: &[u8]) -> Option<&'static str> {
    let sort = SORTS.iter().find(|(_, magic)| start.starts_with(magic));
    sort.map(|(name, _)| *name)
}
