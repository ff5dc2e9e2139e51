//! Where days are kept: a local folder, or S3 and what speaks like it.
//!
//! Objects are whole or not there. What decides that something exists (a day's manifest, a batch) is put *if absent*: of two
//! that try, one wins, and the other learns it. In a local folder every write is synced, its folder too, before it counts.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, PutPayload, WriteMultipart};
use tempfile::NamedTempFile;
use tokio::runtime::{Builder, Runtime};

/// Bytes of one part of a large object.
const PART_BYTES: usize = 8 << 20;

/// Parts of a large object that are on their way at once.
const PARTS_MAX: usize = 4;

/// Why the store did not do what it was asked. Nothing is half there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The place named is none.
    #[error("cannot open the cold store {url}: {reason}")]
    Open {
        /// As it was given.
        url: String,
        /// Why, and what to do.
        reason: String,
    },
    /// An object is not there.
    #[error("{path} is not in the cold store {url}")]
    Missing {
        /// The object.
        path: String,
        /// Where it was looked for.
        url: String,
    },
    /// The store could not be read or written.
    #[error("the cold store {url}: {path}: {source}")]
    Failed {
        /// The object.
        path: String,
        /// The store.
        url: String,
        /// What the store said.
        source: Box<Error>,
    },
    /// A local file could not be read or written.
    #[error("{path}: {source}")]
    Local {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// A place where days are kept; see the file's page. It blocks its caller: nobody's payment waits for it.
#[derive(Debug)]
pub struct Store {
    url: String,
    objects: Arc<dyn ObjectStore>,
    /// Where it is, if it is a folder here.
    folder: Option<PathBuf>,
    runtime: Runtime,
}

/// An object as a local file, for as long as this lives.
#[derive(Debug)]
pub enum LocalObject {
    /// It is one.
    Here(PathBuf),
    /// It was fetched.
    Fetched(NamedTempFile),
}

impl LocalObject {
    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Here(path) => path,
            Self::Fetched(file) => file.path(),
        }
    }
}

impl Store {
    /// A folder by its path; or, built with the feature `s3`, `s3://bucket/prefix`, with keys, region and endpoint
    /// from the environment (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`, `AWS_ENDPOINT`, `AWS_ALLOW_HTTP`).
    ///
    /// # Errors
    /// When there is none, or it cannot be opened.
    pub fn open(url: &str) -> Result<Self, StoreError> {
        let failed = |reason: String| StoreError::Open { url: url.to_owned(), reason };
        let (objects, folder): (Arc<dyn ObjectStore>, _) = match folder_of(url) {
            Some(folder) if !folder.is_dir() => {
                let reason =
                    "there is no such folder. Export a day into it first, or name another with --store";
                return Err(failed(reason.to_owned()));
            }
            Some(folder) => {
                let folder = folder.canonicalize().map_err(|error| failed(error.to_string()))?;
                let local = LocalFileSystem::new_with_prefix(&folder);
                let local = local.map_err(|error| failed(error.to_string()))?.with_fsync(true);
                (Arc::new(local), Some(folder))
            }
            None => (remote(url).map_err(failed)?, None),
        };
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| failed(error.to_string()))?;
        Ok(Self { url: url.to_owned(), objects, folder, runtime })
    }

    /// As [`Store::open`], and makes the folder if it is not there.
    ///
    /// # Errors
    /// As for [`Store::open`].
    pub fn create(url: &str) -> Result<Self, StoreError> {
        if let Some(folder) = folder_of(url) {
            let failed =
                |error: io::Error| StoreError::Open { url: url.to_owned(), reason: error.to_string() };
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        Self::open(url)
    }

    /// As it was opened.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A folder for files that are on their way into the store: on its disk, if it is a local one.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn spool(&self) -> Result<PathBuf, StoreError> {
        let folder = self.folder.as_ref().map_or_else(std::env::temp_dir, |folder| folder.join(".spool"));
        std::fs::create_dir_all(&folder)
            .map_err(|source| StoreError::Local { path: folder.clone(), source })?;
        Ok(folder)
    }

    /// Puts an object, unless there is one of that name already: then `false`, and nothing was changed.
    ///
    /// # Errors
    /// When the store fails.
    pub fn put_new(&self, path: &str, bytes: impl Into<Bytes>) -> Result<bool, StoreError> {
        let (location, payload) = (ObjectPath::from(path), PutPayload::from(bytes.into()));
        let put = self.objects.put_opts(&location, payload, PutMode::Create.into());
        match self.runtime.block_on(put) {
            Ok(_) => Ok(true),
            Err(Error::AlreadyExists { .. }) => Ok(false),
            Err(error) => Err(self.failed(path, error)),
        }
    }

    /// Puts an object in the place of whatever was there.
    ///
    /// # Errors
    /// When the store fails.
    pub fn put(&self, path: &str, bytes: impl Into<Bytes>) -> Result<(), StoreError> {
        let location = ObjectPath::from(path);
        let put = self.objects.put(&location, PutPayload::from(bytes.into()));
        self.runtime.block_on(put).map_err(|error| self.failed(path, error))?;
        Ok(())
    }

    /// Puts a local file, of whatever size.
    ///
    /// # Errors
    /// When the store fails or the file cannot be read.
    pub fn put_file(&self, path: &str, file: &Path) -> Result<(), StoreError> {
        let local = |source| StoreError::Local { path: file.to_owned(), source };
        let mut from = File::open(file).map_err(local)?;
        self.runtime.block_on(async {
            let upload = self.objects.put_multipart(&ObjectPath::from(path)).await;
            let upload = upload.map_err(|error| self.failed(path, error))?;
            let mut write = WriteMultipart::new_with_chunk_size(upload, PART_BYTES);
            let mut part = vec![0; PART_BYTES];
            loop {
                let read = from.read(&mut part).map_err(local)?;
                if read == 0 {
                    break;
                }
                let room = write.wait_for_capacity(PARTS_MAX).await;
                room.map_err(|error| self.failed(path, error))?;
                write.write(&part[..read]);
            }
            write.finish().await.map_err(|error| self.failed(path, error))?;
            Ok(())
        })
    }

    /// An object's bytes.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when there is none.
    pub fn get(&self, path: &str) -> Result<Bytes, StoreError> {
        let location = ObjectPath::from(path);
        let got = self.runtime.block_on(async { self.objects.get(&location).await?.bytes().await });
        got.map_err(|error| self.failed(path, error))
    }

    /// An object's bytes, if it is there.
    ///
    /// # Errors
    /// When the store fails.
    pub fn find(&self, path: &str) -> Result<Option<Bytes>, StoreError> {
        match self.get(path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(StoreError::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// An object as a local file.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when there is none.
    pub fn local(&self, path: &str) -> Result<LocalObject, StoreError> {
        if let Some(folder) = &self.folder {
            let file = folder.join(path);
            return match file.is_file() {
                true => Ok(LocalObject::Here(file)),
                false => Err(StoreError::Missing { path: path.to_owned(), url: self.url.clone() }),
            };
        }
        let bytes = self.get(path)?;
        let local = |source| StoreError::Local { path: std::env::temp_dir(), source };
        let mut file = NamedTempFile::new().map_err(local)?;
        io::Write::write_all(&mut file, &bytes).map_err(local)?;
        Ok(LocalObject::Fetched(file))
    }

    /// The objects below a folder of the store, with their sizes in bytes, by name.
    ///
    /// # Errors
    /// When the store fails.
    pub fn list(&self, folder: &str) -> Result<Vec<(String, u64)>, StoreError> {
        let prefix = ObjectPath::from(folder);
        let listed = self.runtime.block_on(async {
            let mut found = Vec::new();
            let mut folders = vec![prefix];
            while let Some(folder) = folders.pop() {
                let listed = self.objects.list_with_delimiter(Some(&folder)).await?;
                folders.extend(listed.common_prefixes);
                found.extend(
                    listed.objects.into_iter().map(|object| (object.location.to_string(), object.size)),
                );
            }
            found.sort_unstable();
            Ok(found)
        });
        listed.map_err(|error| self.failed(folder, error))
    }

    fn failed(&self, path: &str, error: Error) -> StoreError {
        let (path, url) = (path.to_owned(), self.url.clone());
        match error {
            Error::NotFound { .. } => StoreError::Missing { path, url },
            error => StoreError::Failed { path, url, source: Box::new(error) },
        }
    }
}

/// The folder that is named, if one is.
fn folder_of(url: &str) -> Option<&Path> {
    match url.split_once("://") {
        None => Some(Path::new(url)),
        Some(("file", path)) => Some(Path::new(path)),
        Some(_) => None,
    }
}

/// A store that is no folder here.
fn remote(url: &str) -> Result<Arc<dyn ObjectStore>, String> {
    match url.split_once("://") {
        Some(("s3", _)) => s3(url),
        _ => Err("only a folder and s3://bucket/prefix are known".to_owned()),
    }
}

#[cfg(feature = "s3")]
fn s3(url: &str) -> Result<Arc<dyn ObjectStore>, String> {
    use object_store::aws::{AmazonS3Builder, S3ConditionalPut};
    use object_store::prefix::PrefixStore;
    let rest = url.strip_prefix("s3://").unwrap_or(url);
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let s3 = AmazonS3Builder::from_env()
        .with_bucket_name(bucket)
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .build()
        .map_err(|error| error.to_string())?;
    Ok(match prefix {
        "" => Arc::new(s3),
        prefix => Arc::new(PrefixStore::new(s3, prefix)),
    })
}

#[cfg(not(feature = "s3"))]
fn s3(_: &str) -> Result<Arc<dyn ObjectStore>, String> {
    Err("this build has no S3; build it with `--features s3`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_decides_is_put_once() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().to_str().unwrap()).unwrap();
        assert!(store.put_new("manifests/2018-08-26.json", "one").unwrap());
        assert!(!store.put_new("manifests/2018-08-26.json", "two").unwrap());
        assert_eq!(store.get("manifests/2018-08-26.json").unwrap(), "one");
        assert!(matches!(store.get("manifests/2018-08-27.json"), Err(StoreError::Missing { .. })));
        assert_eq!(store.find("manifests/2018-08-27.json").unwrap(), None);
    }

    #[test]
    fn files_of_many_parts_arrive_whole() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().to_str().unwrap()).unwrap();
        let file = store.spool().unwrap().join("part");
        let bytes: Vec<u8> = (0..20_000_003u32).map(|n| n.to_le_bytes()[n as usize % 3]).collect();
        std::fs::write(&file, &bytes).unwrap();
        store.put_file("orders/date=2018-08-26/shard=0/a.parquet", &file).unwrap();
        store.put("orders/date=2018-08-27/shard=1/b.parquet", "b").unwrap();
        let local = store.local("orders/date=2018-08-26/shard=0/a.parquet").unwrap();
        assert!(std::fs::read(local.path()).unwrap() == bytes);
        let listed: Vec<_> = store.list("orders").unwrap().into_iter().map(|(_, size)| size).collect();
        assert_eq!(listed, [20_000_003, 1]);
        assert!(matches!(Store::open("ftp://x"), Err(StoreError::Open { .. })));
    }
}
