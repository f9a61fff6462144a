"""What a model is deployed as: the build context of a container image. Texts and files are made here; nothing runs."""
