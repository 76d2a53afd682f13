//! A folder whose writes survive the loss of power, and not only of the process.
//!
//! ```text
//! put:        bytes -> <name>#<random> -> fsync -> hard link (create) or rename (overwrite) -> fsync of the folder
//! data file:  bytes -> <name>#<random> -> rename -> fsync of the file and of the folder, at once
//! ```
//!
//! [`LocalFileSystem`] takes the same steps without the `fsync`s: after a power cut a commit that
//! was acknowledged may be gone, or be there with no bytes in it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::ops::Range;
use std::path::{Path as FilePath, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions,
    Result, UploadPart,
};
use uuid::Uuid;

/// The local file system, with `fsync` before a write is acknowledged.
#[derive(Debug, Default)]
pub(super) struct DurableFileSystem {
    inner: LocalFileSystem,
}

impl std::fmt::Display for DurableFileSystem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Durable{}", self.inner)
    }
}

#[async_trait]
impl ObjectStore for DurableFileSystem {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        if matches!(opts.mode, PutMode::Update(_)) || !opts.attributes.is_empty() {
            // The inner store says what it does not do.
            return self.inner.put_opts(location, payload, opts).await;
        }
        let path = self.inner.path_to_filesystem(location)?;
        let placing = match opts.mode {
            PutMode::Create => Placing::Create,
            _ if is_data_file(location) => Placing::Data,
            _ => Placing::Replace,
        };
        blocking(move || place(&path, &payload, placing).map_err(|source| named(&path, source)))
            .await?;
        Ok(PutResult {
            e_tag: None,
            version: None,
        })
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        Ok(Box::new(DurableUpload {
            inner: self.inner.put_multipart_opts(location, opts).await?,
            path: self.inner.path_to_filesystem(location)?,
        }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await?;
        self.sync(to).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.inner.rename_opts(from, to, options).await?;
        self.sync(to).await
    }
}

impl DurableFileSystem {
    async fn sync(&self, location: &Path) -> Result<()> {
        sync_object(self.inner.path_to_filesystem(location)?).await
    }
}

/// An upload that is on the disk when it is complete.
#[derive(Debug)]
struct DurableUpload {
    inner: Box<dyn MultipartUpload>,
    path: PathBuf,
}

#[async_trait]
impl MultipartUpload for DurableUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.inner.put_part(data)
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let done = self.inner.complete().await?;
        sync_object(self.path.clone()).await?;
        Ok(done)
    }

    async fn abort(&mut self) -> Result<()> {
        self.inner.abort().await
    }
}

async fn sync_object(path: PathBuf) -> Result<()> {
    blocking(move || {
        File::open(&path)
            .and_then(|file| file.sync_all())
            .and_then(|()| sync_folder(&path))
            .map_err(|source| named(&path, source))
    })
    .await
}

/// How a file gets its name.
#[derive(Debug, Clone, Copy)]
enum Placing {
    /// If nobody has it.
    Create,
    /// Whoever has it.
    Replace,
    /// Nobody looks for it until a commit, put later, says that it is there: whether its bytes or
    /// its name is on the disk first does not matter.
    Data,
}

fn is_data_file(location: &Path) -> bool {
    let in_log = || location.parts().any(|part| part.as_ref() == "_delta_log");
    location.extension() == Some("parquet") && !in_log()
}

fn place(path: &FilePath, payload: &PutPayload, placing: Placing) -> io::Result<()> {
    let (staged, file) = write_staged(path, payload)?;
    let placed = match placing {
        Placing::Create => file
            .sync_all()
            .and_then(|()| fs::hard_link(&staged, path))
            .and_then(|()| sync_folder(path)),
        Placing::Replace => file
            .sync_all()
            .and_then(|()| fs::rename(&staged, path))
            .and_then(|()| sync_folder(path)),
        Placing::Data => fs::rename(&staged, path).and_then(|()| sync_both(&file, path)),
    };
    if placed.is_err() || matches!(placing, Placing::Create) {
        // A leftover is never listed, and overwritten by nobody.
        let _ = fs::remove_file(&staged);
    }
    placed
}

/// Makes a file's bytes and its name stay, which the disk does together when asked together.
fn sync_both(file: &File, path: &FilePath) -> io::Result<()> {
    std::thread::scope(|scope| {
        let bytes = scope.spawn(|| file.sync_all());
        let name = sync_folder(path);
        let bytes = bytes.join();
        bytes.unwrap_or_else(|_| Err(io::Error::other("syncing a file panicked")))?;
        name
    })
}

/// Writes the bytes beside their name, under one that a listing leaves out.
fn write_staged(path: &FilePath, payload: &PutPayload) -> io::Result<(PathBuf, File)> {
    let mut staged = path.as_os_str().to_owned();
    staged.push(format!("#{}", Uuid::new_v4().as_u128()));
    let staged = PathBuf::from(staged);
    let create = || {
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&staged)
    };
    let mut file = match create() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            create_folder(path)?;
            create()?
        }
        opened => opened?,
    };
    let written = payload.iter().try_for_each(|bytes| file.write_all(bytes));
    if let Err(error) = written {
        let _ = fs::remove_file(&staged);
        return Err(error);
    }
    Ok((staged, file))
}

/// Creates the folder of a file, and makes it and those above that are new stay.
fn create_folder(path: &FilePath) -> io::Result<()> {
    let new: Vec<&FilePath> = path
        .ancestors()
        .skip(1)
        .take_while(|folder| !folder.exists())
        .collect();
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    new.into_iter().try_for_each(sync_folder)
}

/// Makes the name of a file or folder stay.
fn sync_folder(path: &FilePath) -> io::Result<()> {
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

fn named(path: &FilePath, source: io::Error) -> Error {
    let path = path.display().to_string();
    match source.kind() {
        ErrorKind::AlreadyExists => Error::AlreadyExists {
            path,
            source: source.into(),
        },
        ErrorKind::NotFound => Error::NotFound {
            path,
            source: source.into(),
        },
        ErrorKind::PermissionDenied => Error::PermissionDenied {
            path,
            source: source.into(),
        },
        _ => Error::Generic {
            store: "DurableFileSystem",
            source: format!("`{path}`: {source}").into(),
        },
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(source) => Err(Error::JoinError { source }),
    }
}
