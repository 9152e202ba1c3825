//! Listings of cloud storage, followed to their end and no further.
//!
//! A store names its next page itself. One whose pages never end, come again or bring nothing is a failure, after bounds
//! that no real listing meets. The order of entries says nothing: some stores have none.

use crate::client::ENTRIES;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use object_store::path::Path as Key;
use object_store::{Error, ObjectMeta};
use std::time::Duration;

/// What may pass between two entries, over however many pages that bring none.
pub(super) const PATIENCE: Duration = Duration::from_secs(30 * 60);
/// How often one key may come: `folder` and its marker `folder/` are listed alike.
const SAME_KEY: u32 = 2;

/// Why a listing was not followed to its end.
#[derive(Debug)]
pub(super) enum Broken {
    /// The storage cannot be asked, or refuses.
    Storage(Error),
    /// It does not end.
    Endless(String),
}

/// A listing and how far it was followed.
pub(super) struct Bounded<'s> {
    entries: BoxStream<'s, Result<ObjectMeta, Error>>,
    most: usize,
    patience: Duration,
    count: usize,
    /// A key that was seen, a later one from time to time, and how often it came. A listing that runs in a circle meets it
    /// again, and no other key has to be held.
    known: Option<(Key, u32)>,
}

impl<'s> Bounded<'s> {
    pub(super) fn new(entries: BoxStream<'s, Result<ObjectMeta, Error>>) -> Self {
        Bounded {
            entries,
            most: ENTRIES,
            patience: PATIENCE,
            count: 0,
            known: None,
        }
    }

    /// The next entry; none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<ObjectMeta>, Broken> {
        let Ok(entry) = tokio::time::timeout(self.patience, self.entries.next()).await else {
            let seconds = self.patience.as_secs();
            return Err(endless(format!("nothing new came for {seconds} seconds")));
        };
        let Some(entry) = entry.transpose().map_err(Broken::Storage)? else {
            return Ok(None);
        };
        self.count += 1;
        if self.count > self.most {
            return Err(endless(format!("there are more than {} entries", self.most)));
        }
        match &mut self.known {
            Some((key, times)) if *key == entry.location => {
                *times += 1;
                if *times > SAME_KEY {
                    return Err(endless(format!("`{key}` comes again and again")));
                }
            }
            _ if self.count.is_power_of_two() => self.known = Some((entry.location.clone(), 1)),
            _ => {}
        }
        Ok(Some(entry))
    }
}

fn endless(why: String) -> Broken {
    Broken::Endless(format!("the listing does not end: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;

    fn entry(key: String) -> Result<ObjectMeta, Error> {
        Ok(ObjectMeta {
            location: Key::from(key),
            last_modified: std::time::SystemTime::UNIX_EPOCH.into(),
            size: 1,
            e_tag: None,
            version: None,
        })
    }

    /// Follows a listing with small bounds; entries taken, and how it ended.
    fn follow(entries: BoxStream<'_, Result<ObjectMeta, Error>>) -> (usize, Option<String>) {
        let mut bounded = Bounded {
            most: 10_000,
            patience: Duration::from_millis(50),
            ..Bounded::new(entries)
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        let mut taken = 0;
        let ended = runtime.unwrap().block_on(async {
            loop {
                match bounded.next().await {
                    Ok(Some(_)) => taken += 1,
                    Ok(None) => return None,
                    Err(Broken::Endless(why)) => return Some(why),
                    Err(Broken::Storage(error)) => return Some(error.to_string()),
                }
            }
        });
        (taken, ended)
    }

    #[test]
    fn a_listing_is_followed_to_its_end_in_any_order_and_with_markers_of_folders() {
        let keys = (0..5_000).rev().flat_map(|key| [key, key]);
        let entries = stream::iter(keys.map(|key| entry(key.to_string())));
        assert_eq!(follow(entries.boxed()), (10_000, None));
    }

    #[test]
    fn listings_without_end_are_failures() {
        let ever_new = stream::iter((0_u64..).map(|key| entry(key.to_string())));
        let words = "the listing does not end: there are more than 10000 entries";
        assert_eq!(follow(ever_new.boxed()), (10_000, Some(words.to_owned())));

        let circle = stream::iter((0_u64..).map(|key| entry((key % 1_000).to_string())));
        let (taken, why) = follow(circle.boxed());
        let words = "the listing does not end: `47` comes again and again";
        assert_eq!((taken < 4_096, why.as_deref()), (true, Some(words)));

        let one = stream::iter((0_u64..).map(|_| entry("a".to_owned())));
        let words = "the listing does not end: `a` comes again and again";
        assert_eq!(follow(one.boxed()), (2, Some(words.to_owned())));

        let barren = stream::iter([entry("a".to_owned())]).chain(stream::pending());
        let words = "the listing does not end: nothing new came for 0 seconds";
        assert_eq!(follow(barren.boxed()), (1, Some(words.to_owned())));
    }
}
