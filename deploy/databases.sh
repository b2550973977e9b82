# Read once by the PostgreSQL image, on an empty data folder. It has made our own database and role itself; Label
# Studio gets a role and a database of its own, and may not look into ours.
psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
\getenv password LABEL_STUDIO_DATABASE_PASSWORD
\getenv own POSTGRES_DB
CREATE ROLE label_studio LOGIN PASSWORD :'password';
CREATE DATABASE label_studio OWNER label_studio;
REVOKE CONNECT ON DATABASE :"own" FROM PUBLIC;
SQL
