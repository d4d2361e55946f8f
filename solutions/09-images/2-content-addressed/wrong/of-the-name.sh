# caught by: inside.machine.files
# The digest of the name, and not of what has it.
for file in /srv/in/*; do
    name=$(echo "$file" | sha256sum | cut -d' ' -f1)
    cp "$file" "/srv/images/blobs/sha256/$name"
done
exec "$@"
