//! Small web applications, for packages that run what others wrote.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use crate::command::Outcome;

/// An application, and how it is started.
pub(super) struct Application {
    /// Its file, from the root of the tree.
    path: &'static str,
    text: &'static str,
    command: &'static str,
}

pub(super) const RUBY: Application = Application {
    path: "usr/share/works/application.rb",
    text: r#"require "socket"
require "json"

server = TCPServer.new("127.0.0.1", 8080)
loop do
  client = server.accept
  client.gets
  body = JSON.generate({ "well" => true })
  client.write("HTTP/1.0 200 OK\r\nContent-Length: #{body.bytesize}\r\n\r\n#{body}")
  client.close
end
"#,
    command: "/usr/bin/ruby /usr/share/works/application.rb",
};

pub(super) const NODE: Application = Application {
    path: "usr/share/works/application.js",
    text: r#"const http = require("http");

http.createServer((request, response) => response.end(JSON.stringify({ well: true }))).listen(8080, "127.0.0.1");
"#,
    command: "/usr/bin/node /usr/share/works/application.js",
};

impl Application {
    /// Adds it to the module in `directory`, with its entry in `services`: all that a person would write.
    pub(super) fn add(&self, directory: &Path) -> Outcome {
        let file = directory.join("rootfs").join(self.path);
        let failed = |path: &Path, error| format!("cannot write {}: {error}", path.display());
        fs::create_dir_all(file.parent().unwrap_or(directory)).map_err(|error| failed(&file, error))?;
        fs::write(&file, self.text).map_err(|error| failed(&file, error))?;
        let manifest = directory.join("manifest.yaml");
        let mut open = OpenOptions::new().append(true).open(&manifest).map_err(|error| failed(&manifest, error))?;
        open.write_all(self.service().as_bytes()).map_err(|error| failed(&manifest, error))
    }

    fn service(&self) -> String {
        format!(
            "services:\n  - name: application\n    start_command: {}\n    user: nobody\n    exposed_ports:\n      - port: 8080\n    \
             health:\n      endpoint: http://127.0.0.1:8080/\n      method: GET\n",
            self.command
        )
    }
}
