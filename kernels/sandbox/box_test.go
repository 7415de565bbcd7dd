package sandbox

import (
	"strings"
	"testing"
)

func TestArgs(t *testing.T) {
	v := &View{args: []string{"--ro-bind", "/r/usr", "/usr"}, opened: map[string]bool{"/": true, "/usr/src": true}}
	got := strings.Join(Box{Dir: "/d", Env: [][2]string{{"X", "y"}}}.args(v, []string{"make", "modules"}), " ")
	want := strings.Join(isolation(), " ") +
		" --setenv HOME /tmp/home --setenv LC_ALL C --setenv PATH /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" +
		" --setenv TMPDIR /tmp --setenv TZ UTC --setenv X y --proc /proc --dev /dev" +
		" --size 67108864 --tmpfs /dev/shm --size 1073741824 --tmpfs /tmp --dir /tmp/home --ro-bind /r/usr /usr --bind /d /build --remount-ro /usr/src --remount-ro / --remount-ro /proc --remount-ro /dev" +
		" --chdir /build -- sh -c " + limitScript + " sh make modules"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, must := range []string{"--unshare-all --unshare-user ", " --die-with-parent --new-session --cap-drop ALL --clearenv ", " --seccomp 4"} {
		if !strings.Contains(got, must) {
			t.Errorf("there is no %q in %s", must, got)
		}
	}
}
