//! An archive as names and bytes, to be damaged and laid out again as a directory or a zip.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "shared by tests that each use a part of it"
)]

use mlark::archive::ContainerKind;
use mlark::format::{ArchivePath, Manifest};
use mlark::internals::{CHECKSUMS, MANIFEST, SEAL, checksum_line};
use mlark::model::Digest;
use serde_json::Value;
use sha2::Digest as _;
use std::fs;
use std::path::Path;

/// A file of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub name: String,
    pub bytes: Vec<u8>,
}

/// Files in the order of a zip.
#[derive(Debug, Clone)]
pub(crate) struct Bytes {
    pub entries: Vec<Entry>,
}

pub(crate) fn sha256(bytes: &[u8]) -> Digest {
    Digest(sha2::Sha256::digest(bytes).into())
}

impl Bytes {
    /// Reads an archive directory.
    pub(crate) fn read(root: &Path) -> Self {
        let mut entries = Vec::new();
        read_below(root, "", &mut entries);
        entries.sort_by_key(|entry| (rank(&entry.name), entry.name.clone()));
        Bytes { entries }
    }

    pub(crate) fn position(&self, name: &str) -> usize {
        self.entries
            .iter()
            .position(|entry| entry.name == name)
            .unwrap_or_else(|| panic!("no {name}"))
    }

    pub(crate) fn bytes(&mut self, name: &str) -> &mut Vec<u8> {
        let position = self.position(name);
        &mut self.entries[position].bytes
    }

    /// Adds a file after those of its kind.
    pub(crate) fn add(&mut self, name: &str, bytes: Vec<u8>) {
        let key = (rank(name), name.to_owned());
        let position = self
            .entries
            .partition_point(|entry| (rank(&entry.name), entry.name.clone()) <= key);
        let name = name.to_owned();
        self.entries.insert(position, Entry { name, bytes });
    }

    /// Lays the files out.
    pub(crate) fn write(&self, out: &Path, kind: ContainerKind) {
        match kind {
            ContainerKind::Directory => self.entries.iter().for_each(|entry| {
                let path = out.join(&entry.name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, &entry.bytes).unwrap();
            }),
            ContainerKind::Zip => fs::write(out, self.to_zip()).unwrap(),
        }
    }

    /// A zip of stored entries, as docs/reference/zip-profile.md has it.
    fn to_zip(&self) -> Vec<u8> {
        let mut zip = Vec::new();
        let mut central = Vec::new();
        for entry in &self.entries {
            let offset = zip.len() as u32;
            let mut shared = Vec::new();
            for field in [20_u16, 0, 0, 0, 0x21] {
                shared.extend(field.to_le_bytes());
            }
            let size = entry.bytes.len() as u32;
            for field in [crc32fast::hash(&entry.bytes), size, size] {
                shared.extend(field.to_le_bytes());
            }
            shared.extend((entry.name.len() as u16).to_le_bytes());
            shared.extend([0, 0]);
            zip.extend(b"PK\x03\x04");
            zip.extend(&shared);
            zip.extend(entry.name.as_bytes());
            zip.extend(&entry.bytes);
            central.extend(b"PK\x01\x02");
            central.extend(0x032d_u16.to_le_bytes());
            central.extend(&shared);
            central.extend([0; 6]);
            central.extend(0x81a4_0000_u32.to_le_bytes());
            central.extend(offset.to_le_bytes());
            central.extend(entry.name.as_bytes());
        }
        let (offset, count) = (zip.len() as u32, self.entries.len() as u16);
        zip.extend(&central);
        zip.extend(b"PK\x05\x06\0\0\0\0");
        zip.extend(count.to_le_bytes());
        zip.extend(count.to_le_bytes());
        zip.extend((central.len() as u32).to_le_bytes());
        zip.extend(offset.to_le_bytes());
        zip.extend([0, 0]);
        zip
    }

    /// Makes descriptors, checksums, content id and seal fit what the files are now, as one who hides a change would.
    pub(crate) fn reseal(&mut self) {
        let mut manifest: Manifest = serde_json::from_slice(self.bytes(MANIFEST)).unwrap();
        manifest.counts.clear();
        for file in &mut manifest.files {
            let bytes = self.bytes(file.path.as_str());
            file.sha256 = sha256(bytes);
            file.size_bytes = bytes.len() as u64;
            file.count = bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
            if let Some(kind) = file.path.kind_name() {
                *manifest.counts.entry(kind.to_owned()).or_insert(0) += file.count;
            }
        }
        let listed = |entry: &&Entry| {
            let path: ArchivePath = entry.name.parse().unwrap();
            path.is_objects() || path.blob_digest().is_some()
        };
        let mut lines: Vec<_> = self.entries.iter().filter(listed).collect();
        lines.sort_by_key(|entry| entry.name.clone());
        let sums: String = lines
            .into_iter()
            .map(|entry| checksum_line(&sha256(&entry.bytes), &entry.name))
            .collect();
        *self.bytes(CHECKSUMS) = sums.into_bytes();
        manifest.content_id = sha256(self.bytes(CHECKSUMS));
        self.reseal_manifest(&manifest);
    }

    /// Puts another manifest in its place, with its seal.
    pub(crate) fn reseal_manifest(&mut self, manifest: &Manifest) {
        self.reseal_text(manifest.to_text());
    }

    /// Changes the manifest as any JSON can be changed, and seals it.
    pub(crate) fn edit_manifest(&mut self, edit: impl FnOnce(&mut Value)) {
        let mut manifest = serde_json::from_slice(self.bytes(MANIFEST)).unwrap();
        edit(&mut manifest);
        self.reseal_text(format!("{manifest:#}\n"));
    }

    fn reseal_text(&mut self, text: String) {
        let text = text.into_bytes();
        *self.bytes(SEAL) = checksum_line(&sha256(&text), MANIFEST).into_bytes();
        *self.bytes(MANIFEST) = text;
    }
}

fn rank(name: &str) -> u8 {
    match name {
        SEAL => 5,
        MANIFEST => 4,
        CHECKSUMS => 3,
        _ if name.starts_with("objects/") => 1,
        _ if name.starts_with("blobs/") => 0,
        _ => 2,
    }
}

fn read_below(folder: &Path, prefix: &str, entries: &mut Vec<Entry>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            read_below(&entry.path(), &format!("{name}/"), entries);
        } else {
            let bytes = fs::read(entry.path()).unwrap();
            entries.push(Entry { name, bytes });
        }
    }
}
