"""Cedar decides: bytes and facts in, an effect and the rules that spoke out. Any doubt is a deny."""
