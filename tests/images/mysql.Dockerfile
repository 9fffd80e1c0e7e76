# A MySQL server for the tests that need one without a host around it, from the archives that the host's image has. Its data are made
# here, so that a container answers within two seconds; anybody on this machine may log in as root.
ARG BASE
FROM ${BASE}
RUN DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends mysql-server-core \
 && useradd --system mysql \
 && install -d -o mysql /srv/mysql /srv/memory \
 && echo "CREATE USER root@'127.0.0.1'; GRANT ALL ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;" > /srv/accounts.sql \
 && mysqld --initialize-insecure --user=mysql --datadir=/srv/mysql --secure-file-priv=NULL --init-file=/srv/accounts.sql
# In memory, where making tables takes half of the time.
ENTRYPOINT ["sh", "-c", "cp -a /srv/mysql /srv/memory/ && exec mysqld --user=mysql --datadir=/srv/memory/mysql --secure-file-priv=NULL --socket=/srv/memory/mysql/mysqld.sock --mysqlx=OFF \"$@\"", "mysqld"]
