// The room of ModelFiles.
