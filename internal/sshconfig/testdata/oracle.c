/*
 * Loaded into ssh by the tests: gives it another home directory, machine name,
 * system file and name service, so that the answers depend on nothing else.
 *   ORACLE_HOME    home directory of every account
 *   ORACLE_HOST    the machine's name
 *   ORACLE_SYSTEM  stands for /etc/ssh/ssh_config
 *   ORACLE_NAMES   "name=canonical name" parted by spaces
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct passwd *getpwuid(uid_t uid)
{
	struct passwd *(*real)(uid_t) = dlsym(RTLD_NEXT, "getpwuid");
	struct passwd *pw = real(uid);

	if (pw != NULL && getenv("ORACLE_HOME") != NULL)
		pw->pw_dir = getenv("ORACLE_HOME");
	return pw;
}

int gethostname(char *name, size_t len)
{
	snprintf(name, len, "%s", getenv("ORACLE_HOST"));
	return 0;
}

static FILE *open_with(const char *symbol, const char *path, const char *mode)
{
	FILE *(*real)(const char *, const char *) = dlsym(RTLD_NEXT, symbol);

	if (strcmp(path, "/etc/ssh/ssh_config") == 0)
		path = getenv("ORACLE_SYSTEM");
	return real(path, mode);
}

FILE *fopen(const char *path, const char *mode)
{
	return open_with("fopen", path, mode);
}

FILE *fopen64(const char *path, const char *mode)
{
	return open_with("fopen64", path, mode);
}

int getaddrinfo(const char *node, const char *service,
    const struct addrinfo *hints, struct addrinfo **res)
{
	int (*real)(const char *, const char *, const struct addrinfo *,
	    struct addrinfo **) = dlsym(RTLD_NEXT, "getaddrinfo");
	const char *address = "127.0.0.1";
	char *names, *entry, *canonical, *save = NULL, *name;
	int r = EAI_NONAME;

	if (hints != NULL && (hints->ai_flags & AI_NUMERICHOST))
		return real(node, service, hints, res);
	if (hints != NULL && hints->ai_family == AF_INET6)
		address = "::1";
	name = strdup(node);
	if (*name != '\0' && name[strlen(name) - 1] == '.')
		name[strlen(name) - 1] = '\0';
	names = strdup(getenv("ORACLE_NAMES"));
	for (entry = strtok_r(names, " ", &save); entry != NULL;
	    entry = strtok_r(NULL, " ", &save)) {
		if ((canonical = strchr(entry, '=')) == NULL)
			continue;
		*canonical++ = '\0';
		if (strcasecmp(entry, name) != 0)
			continue;
		r = real(address, service, hints, res);
		if (r == 0 && (hints->ai_flags & AI_CANONNAME)) {
			free((*res)->ai_canonname);
			(*res)->ai_canonname = strdup(canonical);
		}
		break;
	}
	free(names);
	free(name);
	return r;
}
