"""Files of YAML as documents, bounded, with the actions of older collections carried out."""
