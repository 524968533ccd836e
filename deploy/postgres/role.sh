#!/bin/sh
# Makes the role that whitebg connects as: it owns its database and is no superuser.
# PostgreSQL's container image runs this once, on an empty volume; for a database from before, see docs/deploy.md.
set -eu
psql --no-psqlrc --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" <<'SQL'
\getenv password WHITEBG_PASSWORD
CREATE ROLE whitebg LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD :'password';
ALTER DATABASE :"DBNAME" OWNER TO whitebg;
ALTER SCHEMA public OWNER TO whitebg;
REVOKE ALL ON DATABASE :"DBNAME" FROM PUBLIC;
SQL
