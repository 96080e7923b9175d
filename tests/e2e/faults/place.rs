//! A fresh bucket for one operation, and all that can be seen of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use lobos_digest::{Algorithm, digest};

use crate::support::http::{Request, Response};
use crate::support::server::Server;

/// A bucket under `--root`.
pub(crate) struct Place<'s> {
    pub(crate) server: &'s Server,
    pub(crate) bucket: String,
}

/// All that can be seen of a bucket: keys and uploads, with what is told of each.
pub(crate) type View = BTreeMap<String, String>;

impl<'s> Place<'s> {
    /// The bucket of this number, empty.
    pub(crate) fn new(server: &'s Server, number: usize) -> Self {
        let place = Self { server, bucket: format!("b{number:06}") };
        fs::create_dir(place.path()).unwrap();
        place
    }

    /// The same bucket on a server that was started again.
    pub(crate) fn again(server: &'s Server, number: usize) -> Self {
        Self { server, bucket: format!("b{number:06}") }
    }

    /// Removes it with all that is in it.
    pub(crate) fn remove(self) {
        fs::remove_dir_all(self.path()).ok();
    }

    /// Its folder.
    pub(crate) fn path(&self) -> PathBuf {
        self.server.home().join("root").join(&self.bucket)
    }

    /// Takes the empty folder away again.
    pub(crate) fn without_bucket(&self) -> String {
        fs::remove_dir(self.path()).unwrap();
        String::new()
    }

    /// `key` may bring a query.
    pub(crate) fn request(&self, method: &str, key: &str) -> Request {
        let slash = if key.is_empty() || key.starts_with('?') { "" } else { "/" };
        self.server.request(method, &format!("/{}{slash}{key}", self.bucket))
    }

    /// What every client sees.
    pub(crate) fn view(&self) -> View {
        let mut view = View::new();
        let listed = self.request("GET", "").send();
        if listed.status == 404 {
            listed.error(404, "NoSuchBucket");
            return view;
        }
        let listed = listed.expect(200);
        let cors = self.request("GET", "?cors").send();
        view.insert("the bucket".into(), format!("cors {}", cors.status));
        let details = listed.all("ETag").into_iter().zip(listed.all("Size"));
        for (key, (etag, size)) in listed.all("Key").into_iter().zip(details) {
            let got = self.request("GET", &key).send().expect(200);
            let tags = self.request("GET", &format!("{key}?tagging")).send().expect(200);
            let told = (etag == got.header("ETag"), size == got.body.len().to_string());
            assert_eq!(told, (true, true), "{key}: what is listed is not what is there");
            view.insert(key, format!("{} {:?}", answer(self, &got), tags.all("Value")));
        }
        let uploads = self.request("GET", "?uploads").send().expect(200);
        for (number, id) in uploads.all("UploadId").into_iter().enumerate() {
            let parts = self.request("GET", &format!("d/m?uploadId={id}")).send().expect(200);
            view.insert(format!("upload {number}"), answer(self, &parts));
        }
        view
    }

    /// Files that nobody needs: temporary ones, and those of uploads that are no more.
    pub(crate) fn waste(&self) -> Vec<String> {
        let mut found = Vec::new();
        collect(&self.path(), &self.path(), &mut found);
        found.retain(|name| {
            let last = name.rsplit('/').next().unwrap();
            name.starts_with(".lobos/tmp/") || last.starts_with(".lobos-tmp-")
        });
        found
    }

    /// Whether uploads are kept that no client can see.
    pub(crate) fn has_lost_uploads(&self, view: &View) -> bool {
        let kept = fs::read_dir(self.path().join(".lobos/uploads")).map_or(0, Iterator::count);
        kept != view.keys().filter(|name| name.starts_with("upload ")).count()
    }
}

/// The files beneath `path`, as paths beneath `top`.
fn collect(top: &Path, path: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(path).into_iter().flatten().map_while(Result::ok) {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect(top, &entry.path(), found);
        } else {
            let path = entry.path();
            found.push(path.strip_prefix(top).unwrap().to_string_lossy().into_owned());
        }
    }
}

/// What an answer says, without what differs from one time to the next.
pub(crate) fn answer(place: &Place<'_>, response: &Response) -> String {
    let mut text = response.status.to_string();
    for name in ["Content-Type", "Content-Length", "Content-Range", "x-amz-meta-v", "ETag"] {
        if let Some(value) = response.find(name).filter(|_| name != "Content-Length") {
            text += &format!(" {name}={}", without_opaque(value));
        }
    }
    if response.find("Content-Type") != Some("application/xml") {
        return text + " " + &digest(Algorithm::Md5, &response.body).to_hex();
    }
    let mut body = response.text().replace(&place.bucket, "BUCKET");
    for element in ["LastModified", "UploadId", "Initiated", "NextUploadIdMarker"] {
        let (start, end) = (format!("<{element}>"), format!("</{element}>"));
        while let Some((before, rest)) = body.split_once(&start) {
            body = format!("{before}{}", rest.split_once(&end).unwrap().1);
        }
    }
    text + " " + &without_opaque(&body)
}

/// Opaque tags are 32 digits and `-1`.
fn without_opaque(text: &str) -> String {
    let mut words: Vec<String> = text.split('"').map(Into::into).collect();
    let opaque = |word: &&mut String| word.len() == 34 && word.ends_with("-1");
    words.iter_mut().filter(opaque).for_each(|word| *word = "opaque".into());
    words.join("\"")
}
