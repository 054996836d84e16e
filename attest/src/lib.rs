//! Statements about a module: SBOM, provenance, signatures. The first of them comes with its own issue.
