"""The joint view as a page: server-rendered, German, readable without JavaScript, without any external asset."""
