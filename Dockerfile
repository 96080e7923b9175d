# A server and nothing else, under 10 MiB. First build the static binary: packaging/build-static
#
#     docker build -t lobos .
#     docker run --rm -p 127.0.0.1:8080:8080 -v "$PWD/data:/data" lobos
FROM scratch

COPY target/x86_64-unknown-linux-musl/dist/lobos /lobos

# Only those reach the port of a container to whom `-p` or a network of Docker opens it, so all who
# do are let in, as by other S3 servers for tests, unless LOBOS_ACCESS_KEY and LOBOS_SECRET_KEY are
# set. LOBOS_HOST: other containers call it by the name of its service.
# Not *, which would let any web page in that the user of a published port looks at.
ENV LOBOS_ROOT=/data \
    LOBOS_LISTEN=0.0.0.0 \
    LOBOS_PORT=8080 \
    LOBOS_NO_AUTH=1 \
    LOBOS_HOST=lobos,s3,minio,host.docker.internal

# No USER: root writes into any folder that is mounted, whoever owns it. Whoever wants the files to
# be his own says so: --user "$(id -u):$(id -g)"; with --tmpfs /data if no folder is mounted.
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=2s --timeout=2s --start-period=10s --retries=5 CMD ["/lobos", "healthcheck"]
ENTRYPOINT ["/lobos"]
