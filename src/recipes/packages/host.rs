//! What there is to say about the host's apt, where a module's packages come from its archives.

use model::Severity;
use model::observe::Observer;

use crate::settings::HostApt;

/// Says what is wrong in the files of the host's apt, and which of its archives are not taken.
pub(crate) fn report(host: &HostApt, observer: &dyn Observer) {
    for finding in &host.findings {
        let message = format!("{}: {}", finding.place(), finding.message);
        match finding.severity {
            Severity::Error | Severity::Warning => observer.warning(&message, &finding.hint),
            Severity::Note => observer.note(&message),
        }
    }
    if !host.choice.others.is_empty() {
        observer.note(&format!(
            "the host's apt has archives for another suite, or without keys of their own, from which a module takes packages \
             only where builder.toml names them: {}",
            host.choice.others.join("; ")
        ));
    }
}
