"""Answer types: the constraint for `sgl.gen`, the parser of what came back."""
