# Blobs are stored under what they are.

# TODO: these are the names that people gave them.
for file in /srv/in/*; do
    name=$(basename "$file")
    cp "$file" "/srv/images/blobs/sha256/$name"
done
exec "$@"
