"""Keep or reject: rules on documents, paragraphs and images. Pure; no Beam."""
